// From a run file to its plan: which computer, how many of it, and where each assumption is from.
#include "recipe/plan_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/inventory.h"
#include "tests/recipe/toy_yaml.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;

const std::string kRun = toy_yaml() + "precision: fp32\n";

KnownComputer computer() {
  return {.machine = {.cpu = "some CPU", .cores = 2, .memory_bytes = std::int64_t{8} << 30},
          .watts_per_thread = 5,
          .measured = {},
          .probe = [](tensor::Precision, int threads) { return 1e9 * threads; }};
}

TEST(PlanRequest, WhatWasMeasuredIsTakenAndSaid) {
  const PlanRequest two{.yaml = toy_yaml("precision: fp32\nlimits: {steps: 12, threads: 2}\n")};
  KnownComputer known = computer();
  const RunPlan probed = plan_file(two, known).value();
  EXPECT_DOUBLE_EQ(probed.device.peak_flops, 2e9);
  EXPECT_THAT(probed.device.peak_source, HasSubstr("timed now"));
  EXPECT_DOUBLE_EQ(probed.device.process_bytes, kUsualProcessBytes);
  EXPECT_THAT(probed.device.process_source, HasSubstr("found elsewhere"));
  EXPECT_DOUBLE_EQ(probed.device.watts, 10);
  EXPECT_EQ(probed.device.name, "some CPU, 2 cores, 2 threads, fp32");

  known.measured = [](const machine::Machine& machine) {
    EXPECT_EQ(machine.threads, 2);
    EXPECT_EQ(machine.precision, "fp32");
    machine::MeasuredFacts facts{.machine = machine, .pretrain_process_bytes = 1e8};
    facts.machine.peak_flops = 5e10;
    facts.machine.code_version = "1.2";
    return std::optional(facts);
  };
  const RunPlan measured = plan_file(two, known).value();
  EXPECT_DOUBLE_EQ(measured.device.peak_flops, 5e10);
  EXPECT_THAT(measured.device.peak_source, HasSubstr("measured here by version 1.2"));
  EXPECT_DOUBLE_EQ(measured.device.process_bytes, 1e8);
  EXPECT_DOUBLE_EQ(measured.tokens_per_s, 25 * probed.tokens_per_s);
}

TEST(PlanRequest, ASpeedThatNobodyKnowsIsNoPlan) {
  KnownComputer blind = computer();
  blind.probe = {};
  EXPECT_EQ(plan_file({.yaml = kRun}, blind).code(), Code::kInternal);
  EXPECT_TRUE(plan_file({.yaml = kRun, .device = "A40"}, blind).ok());
}

TEST(PlanRequest, ProcessesOfTheCpuComeFromTheFileOrTheRequest) {
  const std::string yaml =
      toy_yaml("precision: fp32\nlimits: {steps: 12}\nparallel: {processes: 2}\n");
  EXPECT_EQ(plan_file({.yaml = yaml}, computer())->shape.processes, 2);
  EXPECT_EQ(plan_file({.yaml = yaml, .processes = 1}, computer())->shape.processes, 1);
  const auto refused = plan_file({.yaml = yaml, .processes = 5}, computer());
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("--processes: must be at most batch.sequences 4"));
}

TEST(PlanRequest, GpusShareASiteAsFarAsItGoes) {
  const auto plan = [](std::optional<std::int64_t> count) {
    return plan_file({.yaml = toy_yaml("limits: {steps: 12}\nparallel: {processes: 2}\n"),
                      .device = "a40",
                      .count = count},
                     computer());
  };
  EXPECT_EQ(plan({})->device.count, 2);
  EXPECT_EQ(plan(4)->shape.processes, 4);
  const auto many = plan(8);  // More than a batch has sequences, so that none can be shared.
  EXPECT_FALSE(many.ok());
  EXPECT_THAT(many.status().message(), HasSubstr("multiple of the 8 devices"));
}

TEST(PlanRequest, RefusesWhatCannotBeInASentence) {
  const auto told = [](const PlanRequest& request) {
    const auto plan = plan_file(request, computer());
    EXPECT_EQ(plan.code(), Code::kInvalidArgument);
    return plan.status().message();
  };
  EXPECT_THAT(told({.yaml = kRun, .device = "A41"}), HasSubstr("found \"A41\""));
  EXPECT_THAT(told({.yaml = kRun, .device = "A40", .processes = 2}),
              HasSubstr("--processes is for plans of the CPU, found it beside --device A40"));
  EXPECT_THAT(told({.yaml = kRun, .count = 0}), HasSubstr("--count must be 1 to 65536"));
  EXPECT_THAT(told({.yaml = kRun + "device: cuda\n"}), HasSubstr("--device names a GPU"));
  EXPECT_THAT(told({.yaml = kRun + "speed: 3\n", .name = "my.yaml"}),
              HasSubstr("my.yaml:12: unknown key \"speed\""));
}

TEST(PlanRequest, ThreadsAreThoseOfAllProcessesOnTheCoresThereAre) {
  RunConfig config;
  EXPECT_EQ(planned_threads(config), machine::num_cores());
  config.limits.threads = 3;
  EXPECT_EQ(planned_threads(config), 3);
  config.parallel.processes = 2;
  EXPECT_EQ(planned_threads(config), std::min<std::int64_t>(6, machine::num_cores()));
}

}  // namespace
}  // namespace panal::recipe
