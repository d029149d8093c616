// What a run writes down about its machine, read back by the room that reports it.
#include "train/machine.h"

#include <gtest/gtest.h>

#include "report/analysis.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

TEST(Machine, IsKnownWhereTheSystemTellsIt) {
  const report::Machine machine = describe_machine(tensor::Precision::kBFloat16);
  EXPECT_EQ(machine.precision, "bf16");
  EXPECT_GE(machine.threads.value_or(0), 1);
  EXPECT_GT(machine.memory_bytes.value_or(0), 1 << 20);
  EXPECT_FALSE(machine.peak_flops);  // Nothing is measured.
  const auto peak = peak_resident_bytes();
  ASSERT_TRUE(peak);
  EXPECT_GT(*peak, 1 << 20);
  EXPECT_LT(*peak, *machine.memory_bytes);
}

TEST(Machine, MeasuresNothingByAClockThatStandsStill) {
  EXPECT_FALSE(measured_memory_bytes_per_s(ManualClock()));
}

// N = 2 layers (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32 of the head, by hand.
TEST(Machine, CountsMatrixParametersWithTheHead) {
  model::ModelConfig model;
  model.vocabulary_size = 320;
  model.width = 32;
  model.layers = 2;
  model.heads = model.key_value_heads = 2;
  model.head_width = 16;
  model.feed_forward_width = 64;
  model.context_length = 32;
  const report::ModelCost cost = model_cost(model, 16);
  EXPECT_EQ(cost.matrix_parameters, 2 * (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32);
  EXPECT_DOUBLE_EQ(cost.flops_per_token(), model.training_flops_per_token(16));
}

TEST(Machine, IsReportedForARunAndEachOfItsResumes) {
  const TestFolder folder("machine");
  write_text(folder.path() / "text.txt", toy_text(60));
  TrainConfig config = toy_config(folder.path(), toy_yaml());
  RecordingEvents early, rest;
  early.stop_after_step = 5;
  ASSERT_TRUE(run(config, early, early.stop.get_token()).ok());
  ASSERT_TRUE(run(config, rest).ok());
  const auto record = report::read_run(config.run_directory);
  ASSERT_TRUE(record.ok()) << record.status().message();
  ASSERT_EQ(record->calls.size(), 2u);
  EXPECT_EQ(record->calls[0].from_step, 0);
  EXPECT_EQ(record->calls[1].from_step, 5);
  EXPECT_GT(record->calls[1].peak_resident_bytes.value_or(0), 1 << 20);
  const report::RunAnalysis analysis = report::analyse(*record, {});
  ASSERT_EQ(analysis.stretches.size(), 1u);  // The same machine.
  EXPECT_EQ(*analysis.resumes, 1);
  EXPECT_EQ(analysis.stretches[0].step_seconds->count, 12u);
  EXPECT_TRUE(analysis.stretches[0].model_flops_per_s);
  EXPECT_FALSE(analysis.stretches[0].mfu);  // Too short a run to measure its machine.
}

}  // namespace
}  // namespace panal::train
