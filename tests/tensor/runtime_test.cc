// Denormals are flushed in every compute thread, and seeds repeat.
#include "tensor/runtime.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <atomic>
#include <limits>
#include <thread>

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

TEST(Runtime, RefusesAnImpossibleNumberOfThreads) { EXPECT_THROW(set_num_threads(0), Error); }

}  // namespace
}  // namespace panal::tensor
