// What a run writes down about its machine, read back by the room that reports it.
#include "train/probes.h"

#include <gtest/gtest.h>

#include "report/analysis.h"
#include "tensor/runtime.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

TEST(Machine, IsDescribedWithWhatThisProcessComputesOn) {
  const machine::Machine machine = describe_machine(tensor::Precision::kBFloat16);
  EXPECT_EQ(machine.device, "cpu");
  EXPECT_EQ(machine.precision, "bf16");
  EXPECT_EQ(machine.threads, tensor::num_threads());
}

TEST(Machine, MeasuresNothingByAClockThatStandsStill) {
  EXPECT_FALSE(measured_memory_bytes_per_s(ManualClock()));
}

TEST(Machine, IsReportedForARunAndEachOfItsResumes) {
  const TestFolder folder("machine");
  write_text(folder.path() / "text.txt", toy_text(60));
  recipe::RunConfig config = toy_config(folder.path(), toy_yaml());
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
