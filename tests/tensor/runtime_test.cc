// Denormals are flushed in every compute thread, and seeds repeat.
#include "tensor/runtime.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <thread>
#include <vector>

#include "base/error.h"

namespace panal::tensor {
namespace {

// Halving the smallest normal float gives a denormal, or zero where they are flushed.
bool flushes_here() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5f == 0.0f;
}

TEST(Runtime, EveryPoolThreadFlushesDenormalsAfterTheNumberChanges) {
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    std::atomic<int> flushed = 0, asked = 0;
    at::parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) {
      ++asked;
      if (flushes_here()) ++flushed;
    });
    EXPECT_EQ(flushed, asked);
    EXPECT_GT(asked, 1) << "parallel_for ran on one thread: is OpenMP on for this room?";
  }
  set_num_threads(2);
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

// Every second of many buffers is freed: what lies between the others goes back too.
TEST(Runtime, FreedMemoryBetweenBuffersGoesBackWhereThatIsAsked) {
  constexpr int kBuffers = 64;
  constexpr std::int64_t kBytes = 2 << 20;
  const auto freed_of = [] {
    std::vector<at::Tensor> buffers;
    for (int i = 0; i < kBuffers; ++i) buffers.push_back(at::zeros({kBytes}, at::kByte).fill_(1));
    const std::int64_t before = resident_bytes();
    for (int i = 0; i < kBuffers; i += 2) buffers[static_cast<std::size_t>(i)] = at::Tensor();
    return before - resident_bytes();
  };
  // First, because free room of the heap would be taken before new buffers are mapped.
  return_freed_memory(Returned::kNearlyAll);
  EXPECT_GT(freed_of(), (kBuffers / 2 - 2) * kBytes);
  keep_freed_memory();
  EXPECT_LT(freed_of(), 2 * kBytes);
}

TEST(Runtime, RefusesAnImpossibleNumberOfThreads) { EXPECT_THROW(set_num_threads(0), Error); }

}  // namespace
}  // namespace panal::tensor
