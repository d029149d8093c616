// What a person is told of a plan.
#include "cli/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/recipe/toy_yaml.h"

namespace panal::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

recipe::RunPlan plan_of(const std::string& more, const recipe::PlannedDevice& device) {
  const auto config = recipe::parse_run_config(toy_yaml(more), "run.yaml").value();
  return recipe::plan_run(config, 320, device).value();
}

recipe::PlannedDevice toy_device(double memory_bytes = 1e9) {
  return {.name = "toy",
          .peak_flops = 1e9,
          .peak_source = "by hand",
          .memory_bytes = memory_bytes,
          .usable_share = 1.0,
          .process_bytes = 1 << 20,
          .process_source = "guessed",
          .watts = 100,
          .watts_source = "a plate",
          .assumed_mfu = 0.5,
          .mfu_reason = "why not"};
}

std::string all_of(const std::vector<TextBlock>& blocks) {
  std::string text;
  for (const TextBlock& block : blocks) {
    text += block.line + "\n";
    for (const auto& row : block.table) {
      for (const auto& cell : row) text += cell + " | ";
      text += "\n";
    }
  }
  return text;
}

TEST(PlanText, EveryAssumptionStandsBesideItsFigure) {
  const std::string text = all_of(plan_text(plan_of("limits: {steps: 12}\n", toy_device())));
  EXPECT_THAT(text, HasSubstr("the process itself (guessed) | 0.00 GiB"));
  EXPECT_THAT(text, HasSubstr("0.001 TFLOP/s (by hand)"));
  EXPECT_THAT(text, HasSubstr("MFU 50 % assumed: why not"));
  EXPECT_THAT(text, HasSubstr("100 W a device (a plate)"));
  EXPECT_THAT(text, HasSubstr("It fits."));
  EXPECT_THAT(text, Not(HasSubstr("Processes wait")));
}

TEST(PlanText, UnknownEnergyIsSaidToBeUnknown) {
  recipe::PlannedDevice device = toy_device();
  device.watts = 0;
  EXPECT_THAT(all_of(plan_text(plan_of("limits: {steps: 12}\n", device))),
              HasSubstr("energy unknown"));
}

TEST(PlanText, SaysWhatToSwitchOnWhereItDoesNotFit) {
  const std::string limits = "precision: fp32\nlimits: {steps: 12}\n";
  const recipe::RunPlan whole = plan_of(limits, toy_device());
  ASSERT_TRUE(whole.fits);
  const double least = whole.bytes() + whole.device.process_bytes;
  EXPECT_THAT(all_of(plan_text(plan_of(limits, toy_device(least)))), HasSubstr("It fits."));
  const std::string tight = all_of(plan_text(plan_of(limits, toy_device(least - 1))));
  EXPECT_THAT(tight, HasSubstr("With these settings it does, in this order"));
  EXPECT_THAT(tight, HasSubstr("with this and all above it | together"));
  const std::string hopeless = all_of(plan_text(plan_of(limits, toy_device(1000))));
  EXPECT_THAT(hopeless, HasSubstr("not even with all of these settings"));
}

TEST(PlanText, ProcessesOfOneMachineAreAddedUp) {
  const std::string text =
      all_of(plan_text(plan_of("limits: {steps: 12}\nparallel: {processes: 3}\n", toy_device())));
  EXPECT_THAT(text, HasSubstr("memory of the largest of 3 processes"));
  EXPECT_THAT(text, HasSubstr("all 3 processes, each at its peak"));
  EXPECT_THAT(text, HasSubstr("Processes wait for the one with the most to do"));
}

}  // namespace
}  // namespace panal::cli
