// Every chunk is computed once, by one thread, whoever else wants the pool, the core or the number
// of threads; what goes wrong in a chunk is told to the caller.
#include "kernels/compute_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <latch>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/rng.h"

namespace panal::kernels {
namespace {

using testing::Each;

const SystemClock& clock() {
  static const SystemClock clock;
  return clock;
}

TEST(ComputePool, ComputesEachChunkOnce) {
  for (const int threads : {1, 2, 5}) {
    ComputePool pool(threads, clock());
    for (const std::size_t count : {0, 1, 2, 3, 7, 1000}) {
      std::vector<int> times(count, 0);
      pool.run(static_cast<std::int64_t>(count),
               [&](std::int64_t chunk, int) { ++times[static_cast<std::size_t>(chunk)]; });
      EXPECT_THAT(times, Each(1)) << count << " chunks, " << threads << " threads";
    }
  }
}

// Short runs one after another: threads that come late from one find the next, or nothing.
TEST(ComputePool, ComputesEachChunkOnceOverManyRuns) {
  ComputePool pool(4, clock());
  Rng rng(11);
  std::vector<std::atomic<int>> times(64);
  for (int run = 0; run < 3000; ++run) {
    const std::int64_t count = 1 + static_cast<std::int64_t>(rng.below(64));
    for (auto& time : times) time.store(0, std::memory_order_relaxed);
    pool.run(count, [&](std::int64_t chunk, int) { ++times[static_cast<std::size_t>(chunk)]; });
    for (std::int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(times[static_cast<std::size_t>(i)], i < count ? 1 : 0) << "run " << run;
  }
}

// A chunk that waits for another one to begin: they are on two threads.
TEST(ComputePool, RunsChunksSideBySide) {
  ComputePool pool(2, clock());
  std::latch both(2);
  pool.run(2, [&](std::int64_t, int) { both.arrive_and_wait(); });
}

TEST(ComputePool, CallsOfOneWorkerNeverOverlap) {
  ComputePool pool(4, clock());
  std::vector<std::atomic<int>> inside(4);
  std::atomic<int> overlaps = 0;
  pool.run(2000, [&](std::int64_t, int worker) {
    auto& here = inside.at(static_cast<std::size_t>(worker));
    if (++here != 1) ++overlaps;
    --here;
  });
  EXPECT_EQ(overlaps, 0);
}

// Others compute what a thread that got stuck in a chunk would have computed.
TEST(ComputePool, OneSlowChunkHoldsUpOnlyItself) {
  ComputePool pool(2, clock());
  std::latch others(999);
  pool.run(1000, [&](std::int64_t chunk, int) {
    if (chunk == 0) {
      others.wait();
    } else {
      others.count_down();
    }
  });
}

TEST(ComputePool, ThrowsTheFirstExceptionAndGoesOnWorking) {
  ComputePool pool(3, clock());
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(pool.run(100,
                          [&](std::int64_t chunk, int) {
                            if (chunk >= 20) throw std::runtime_error("a chunk");
                          }),
                 std::runtime_error);
    std::atomic<int> done = 0;
    pool.run(100, [&](std::int64_t, int) { ++done; });
    EXPECT_EQ(done, 100);
  }
}

TEST(ComputePool, RunsWithinAChunkOnThatChunksThread) {
  ComputePool pool(3, clock());
  std::atomic<int> inner = 0, elsewhere = 0;
  pool.run(20, [&](std::int64_t, int) {
    const std::thread::id here = std::this_thread::get_id();
    pool.run(10, [&](std::int64_t, int worker) {
      ++inner;
      if (std::this_thread::get_id() != here || worker != 0) ++elsewhere;
    });
  });
  EXPECT_EQ(inner, 200);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ComputePool, SeveralThreadsMayCallAtOnce) {
  ComputePool pool(2, clock());
  std::vector<std::thread> callers;
  std::vector<int> sums(4, 0);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    callers.emplace_back([&, i] {
      for (int run = 0; run < 200; ++run) {
        std::vector<int> made(16, 0);
        pool.run(16, [&](std::int64_t chunk, int) { made[static_cast<std::size_t>(chunk)] = 1; });
        sums[i] += std::accumulate(made.begin(), made.end(), 0);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(sums, Each(200 * 16));
}

TEST(ComputePool, ChangesItsNumberOfThreads) {
  ComputePool pool(1, clock());
  for (const int threads : {3, 1, 2, 4}) {
    pool.set_num_threads(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    std::latch all(threads);
    pool.run(threads, [&](std::int64_t, int) { all.arrive_and_wait(); });
  }
  EXPECT_THROW(pool.set_num_threads(0), Error);
  EXPECT_THROW(ComputePool(1025, clock()), Error);
}

bool flushes_here() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5f == 0.0f;
}

// Else bits would depend on who computes a chunk.
TEST(ComputePool, FlushesDenormalsInChunksOfEveryThreadAndNowhereElse) {
  for (const int threads : {1, 3}) {
    ComputePool pool(threads, clock());
    std::latch all(threads);
    std::vector<int> flushes(3, 0);
    pool.run(threads, [&](std::int64_t chunk, int) {
      all.arrive_and_wait();
      flushes[static_cast<std::size_t>(chunk)] = flushes_here();
    });
    flushes.resize(static_cast<std::size_t>(threads));
    EXPECT_THAT(flushes, Each(1));
    EXPECT_FALSE(flushes_here());
  }
}

TEST(ComputePool, ChunksAreTheSameForAnyNumberOfThreads) {
  for (const int threads : {1, 4}) {
    compute_pool().set_num_threads(threads);
    std::mutex mutex;
    std::set<std::pair<std::int64_t, std::int64_t>> chunks;
    for_chunks(10, 4, [&](std::int64_t begin, std::int64_t end, int) {
      const std::lock_guard lock(mutex);
      chunks.emplace(begin, end);
    });
    EXPECT_THAT(chunks, testing::ElementsAre(std::pair(0, 4), std::pair(4, 8), std::pair(8, 10)));
  }
}

}  // namespace
}  // namespace panal::kernels
