// The benchmark measures real training: it learns its batch, and its figures agree.
#include "train/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/recipe/toy_model.h"

namespace panal::train {
namespace {

BenchmarkOptions toy(recipe::Architecture architecture) {
  BenchmarkOptions options;
  options.model = recipe::toy_model(128, 16);
  options.model.architecture = architecture;
  options.model.attention_bias = architecture == recipe::Architecture::kGpt2;
  options.sequences = 2;
  options.warmup = 1;
  options.steps = 4;
  return options;
}

TEST(Benchmark, TakesRealStepsAndReportsThemConsistently) {
  for (const auto architecture : {recipe::Architecture::kGpt2, recipe::Architecture::kLlama}) {
    const BenchmarkOptions options = toy(architecture);
    std::vector<double> heard;
    const auto result = benchmark_training(
        options, SystemClock(), [&](std::int64_t, double spent) { heard.push_back(spent); }, {});
    ASSERT_TRUE(result.ok()) << result.status().message();
    ASSERT_EQ(heard.size(), 5u);
    std::sort(heard.begin() + 1, heard.end());
    EXPECT_DOUBLE_EQ(result->step_s, (heard[2] + heard[3]) / 2);
    EXPECT_EQ(result->step_s_low, heard[1]);
    EXPECT_EQ(result->step_s_high, heard[4]);
    EXPECT_NEAR(result->tokens_per_s * result->step_s, 32, 1e-6);
    EXPECT_NEAR(result->flops, options.model.training_flops_per_token(16) * result->tokens_per_s,
                1);
    // It starts at log(128) and learns its one batch.
    EXPECT_LT(result->loss, std::log(128));
    EXPECT_GT(result->loss, std::log(128) - 1.5);
    EXPECT_GT(result->gemm_peak_flops, result->flops);
    EXPECT_EQ(result->parameters, options.model.num_parameters());
  }
}

// 6 N + 12 L H Q T by hand: N = head 128 x 32 and per layer 4 x 32 x 32 + 3 x 32 x 64.
TEST(Benchmark, CountsFlopsAsPalmDoes) {
  const auto options = toy(recipe::Architecture::kLlama);
  EXPECT_DOUBLE_EQ(options.model.training_flops_per_token(16),
                   6.0 * (128 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64)) + 12.0 * 2 * 2 * 16 * 16);
}

TEST(Benchmark, RefusesDimensionsThatDoNotFitAndStopsWhenAsked) {
  BenchmarkOptions options = toy(recipe::Architecture::kLlama);
  options.model.key_value_heads = 3;
  const auto quiet = [](std::int64_t, double) {};
  EXPECT_EQ(benchmark_training(options, SystemClock(), quiet, {}).code(), Code::kInvalidArgument);
  std::stop_source stop;
  const auto stopped = benchmark_training(
      toy(recipe::Architecture::kLlama), SystemClock(),
      [&](std::int64_t, double) { stop.request_stop(); }, stop.get_token());
  EXPECT_EQ(stopped.code(), Code::kCancelled);
}

}  // namespace
}  // namespace panal::train
