// Every kind of work is measured alone and beside the other program in turn, and the other program
// is quiet again whatever happens.
#include "train/contention_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/inventory.h"
#include "tests/recipe/toy_model.h"

namespace panal::train {
namespace {

using testing::Each;
using testing::Gt;
using testing::SizeIs;

ContentionOptions options() {
  const recipe::ModelConfig toy = recipe::toy_model(64, 16);
  return {.model = toy, .core = toy, .lora_rank = 2, .rounds = 3, .seconds_per_phase = 0};
}

TEST(ContentionBenchmark, MeasuresEachKindInTurn) {
  std::vector<bool> turns;
  double last = 0;
  const auto results = benchmark_contention(
      options(), SystemClock(), [&](bool is_busy) { turns.push_back(is_busy); },
      [&](double fraction) { last = fraction; }, {});
  ASSERT_TRUE(results.ok()) << results.status().message();
  const std::size_t kinds = machine::cpu_multiplies_bfloat16() ? 3 : 2;
  ASSERT_THAT(*results, SizeIs(kinds));
  EXPECT_EQ(results->front().work, "pretrain fp32");
  EXPECT_EQ(results->back().work, "lora fp32");
  std::vector<bool> wanted;
  for (std::size_t i = 0; i < kinds; ++i) {
    for (int round = 0; round < 3; ++round) wanted.insert(wanted.end(), {false, true});
    wanted.push_back(false);
  }
  wanted.push_back(false);
  EXPECT_EQ(turns, wanted);
  EXPECT_DOUBLE_EQ(last, 1.0);
  for (const work::ContentionFigures& result : *results) {
    EXPECT_THAT(result.alone, testing::AllOf(SizeIs(3), Each(Gt(0))));
    EXPECT_THAT(result.busy, testing::AllOf(SizeIs(3), Each(Gt(0))));
    EXPECT_LE(result.lowest_ratio, result.ratio);
    EXPECT_LE(result.ratio, result.highest_ratio);
  }
}

TEST(ContentionBenchmark, QuietensTheOtherProgramWhenItIsStopped) {
  std::stop_source stop;
  bool is_busy = false;
  const auto results = benchmark_contention(
      options(), SystemClock(),
      [&](bool now) {
        is_busy = now;
        if (now) stop.request_stop();
      },
      [](double) {}, stop.get_token());
  EXPECT_EQ(results.code(), Code::kCancelled);
  EXPECT_FALSE(is_busy);
}

TEST(ContentionBenchmark, RefusesDimensionsThatDoNotFitAndACoreThatIsMissing) {
  ContentionOptions wrong = options();
  wrong.core.key_value_heads = 3;
  const auto run = [](const ContentionOptions& with) {
    return benchmark_contention(
               with, SystemClock(), [](bool) {}, [](double) {}, {})
        .code();
  };
  EXPECT_EQ(run(wrong), Code::kInvalidArgument);
  wrong = options();
  wrong.served = "/nowhere";
  EXPECT_EQ(run(wrong), Code::kNotFound);
}

}  // namespace
}  // namespace panal::train
