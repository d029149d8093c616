// Denormals are flushed in every compute thread, and seeds repeat.
#include "tensor/runtime.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <limits>
#include <thread>
#include <vector>

#include "base/error.h"
#include "kernels/compute_pool.h"

namespace panal::tensor {
namespace {

// Halving the smallest normal float gives a denormal, or zero where they are flushed.
bool flushes_here() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5f == 0.0f;
}

TEST(Runtime, EveryComputeThreadFlushesDenormalsAfterTheNumberChanges) {
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    EXPECT_TRUE(flushes_here());
    std::latch all(threads);  // So that each thread has one of the chunks.
    std::atomic<int> flushed = 0;
    kernels::for_chunks(threads, 1, [&](std::int64_t, std::int64_t, int) {
      all.arrive_and_wait();
      if (flushes_here()) ++flushed;
    });
    EXPECT_EQ(flushed, threads);
  }
  set_num_threads(2);
}

TEST(Runtime, TorchComputesOnTheThreadThatAsks) {
  set_num_threads(2);
  EXPECT_EQ(at::get_num_threads(), 1);
  std::atomic<int> several = 0;
  kernels::for_chunks(8, 1, [&](std::int64_t, std::int64_t, int) {
    use_one_library_thread();
    if (at::get_num_threads() != 1) ++several;
  });
  EXPECT_EQ(several, 0);
  {
    const LibraryThreads threads;
    EXPECT_EQ(at::get_num_threads(), 2);
  }
  EXPECT_EQ(at::get_num_threads(), 1);
}

TEST(Runtime, AThreadMadeLaterFlushesAfterAsking) {
  bool flushes = false;
  std::thread([&] {
    flush_denormals();
    flushes = flushes_here();
  }).join();
  EXPECT_TRUE(flushes);
}

TEST(Runtime, EqualSeedsGiveEqualTensors) {
  seed_everything(7);
  const at::Tensor first = at::randn({50});
  seed_everything(7);
  EXPECT_TRUE(at::equal(first, at::randn({50})));
}

std::int64_t resident_bytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGE_SIZE);
}

// Holes between buffers do not fit larger ones, and yet their pages do not stay beside those.
TEST(Runtime, TensorsHoldNoMoreThanWasInUseTogetherWherePagesAreReused) {
  constexpr int kBuffers = 64;
  constexpr std::int64_t kBytes = 2 << 20;
  reuse_pages();
  const std::int64_t before = resident_bytes();
  std::vector<at::Tensor> buffers;
  for (int i = 0; i < kBuffers; ++i) buffers.push_back(at::ones({kBytes}, at::kByte));
  for (int i = 0; i < kBuffers; i += 2) buffers[static_cast<std::size_t>(i)] = at::Tensor();
  for (int i = 0; i < kBuffers / 4; ++i) buffers.push_back(at::ones({2 * kBytes}, at::kByte));
  const double held = static_cast<double>(resident_bytes() - before);
  EXPECT_NEAR(held / (kBuffers * kBytes), 1.0, 0.05);
  buffers.clear();
  EXPECT_GT(resident_bytes() - before, kBuffers * kBytes / 2)
      << "freed pages are kept for the next";
  EXPECT_EQ(at::ones({kBytes}, at::kByte).sum().item<std::int64_t>(), kBytes);
  EXPECT_TRUE(at::equal(at::arange(3), at::arange(3))) << "small ones lie elsewhere";
}

TEST(Runtime, RefusesAnImpossibleNumberOfThreads) { EXPECT_THROW(set_num_threads(0), Error); }

}  // namespace
}  // namespace panal::tensor
