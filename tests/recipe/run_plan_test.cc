// Plans by hand: memory that fits or not, hours and kWh from first principles, refusals before
// anything.
#include "recipe/run_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "recipe/presets.h"
#include "tests/recipe/toy_yaml.h"
#include "tests/toy_text.h"

namespace panal::recipe {
namespace {

using testing::HasSubstr;
using testing::Not;

RunConfig config_with(const std::string& more) {
  return parse_run_config(toy_yaml(more), "run.yaml", "/nowhere").value();
}

PlannedDevice device_of(double memory_bytes, std::int64_t count = 1) {
  return {.name = "toy",
          .count = count,
          .peak_flops = 1e9,
          .memory_bytes = memory_bytes,
          .usable_share = 1.0,
          .watts = 100,
          .assumed_mfu = 0.5};
}

// tokens/s = 0.5 * 1e9 / (FLOPs a token + Muon's FLOPs an update / 128); 12 steps of 4 * 32 tokens.
TEST(RunPlan, TimeAndEnergyFollowFromTheFormula) {
  const RunPlan plan = plan_run(config_with("limits: {steps: 12}\n"), 320, device_of(1e9)).value();
  const double flops = 6.0 * (2 * (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32) + 12.0 * 2 * 32 * 32;
  EXPECT_DOUBLE_EQ(plan.flops_per_token, flops);
  // Five steps on 4 of 32 x 32 and 3 of 32 x 64 in each of two layers, narrow side first.
  const double update =
      2 * 5 * (4 * 6.0 * 32 * 32 * 32 + 3 * (4.0 * 32 * 32 * 64 + 2 * 32 * 32 * 32));
  EXPECT_DOUBLE_EQ(plan.flops_per_update, update);
  const double all = flops + update / 128;
  EXPECT_DOUBLE_EQ(plan.tokens_per_s, 0.5e9 / all);
  EXPECT_NEAR(plan.tokens, 12 * 4 * 32, 1e-6);
  EXPECT_NEAR(plan.hours, 12 * 4 * 32 * all / 0.5e9 / 3600, 1e-12);
  EXPECT_NEAR(*plan.kwh, plan.hours * 0.1, 1e-12);
  EXPECT_TRUE(plan.fits);
  EXPECT_FALSE(plan.sequences_that_fit);
}

TEST(RunPlan, ATimeLimitDecidesTheTokens) {
  const RunPlan plan =
      plan_run(config_with("limits: {max_seconds: 36}\n"), 320, device_of(1e9, 2)).value();
  EXPECT_DOUBLE_EQ(plan.hours, 0.01);
  EXPECT_DOUBLE_EQ(plan.tokens, 36 * plan.tokens_per_s);
  EXPECT_EQ(plan.shape.sequences, 2);  // Two devices share the four.
  EXPECT_DOUBLE_EQ(*plan.kwh, 0.01 * 0.2);
}

// Three processes have 1, 1 and 2 of four sequences, so a pass takes as long as one of six; and
// each holds its own part of the states on one machine.
TEST(RunPlan, ProcessesShareOneMachineAndWaitForEachOther) {
  const std::string limits = "limits: {steps: 12}\n";
  const RunPlan one = plan_run(config_with(limits), 320, device_of(1e9)).value();
  const RunConfig config = config_with(limits + "parallel: {processes: 3}\n");
  PlannedDevice device = device_of(1e9);
  device.process_bytes = 1000;
  const RunPlan plan = plan_run(config, 320, device).value();
  ASSERT_EQ(plan.bytes_by_process.size(), 3u);
  EXPECT_DOUBLE_EQ(plan.memory.bytes(), *std::ranges::max_element(plan.bytes_by_process));
  double states = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const MemoryPlan memory = plan_memory(plan.shape, rank);
    EXPECT_DOUBLE_EQ(memory.bytes(), plan.bytes_by_process[static_cast<std::size_t>(rank)]);
    states += memory.bytes(MemoryKind::kStates);
  }
  EXPECT_NEAR(states, one.memory.bytes(MemoryKind::kStates), 1);
  EXPECT_DOUBLE_EQ(plan.pass_imbalance, 3 * 2 / 4.0);
  EXPECT_GE(plan.update_imbalance, 1);
  EXPECT_LT(plan.update_imbalance, 1.5);
  EXPECT_DOUBLE_EQ(plan.tokens_per_s, 0.5e9 / (1.5 * one.flops_per_token +
                                               plan.update_imbalance * one.flops_per_update / 128));
  EXPECT_DOUBLE_EQ(run_plan_to_json(plan)["memory"]["device_bytes"].get<double>(),
                   plan.bytes() + 3000);
  device.memory_bytes = plan.bytes() + 3000;
  EXPECT_TRUE(plan_run(config, 320, device)->fits);
  device.memory_bytes -= 1;
  const RunPlan full = plan_run(config, 320, device).value();
  EXPECT_FALSE(full.fits);
  for (const MemoryMeasure& measure : full.measures) EXPECT_LT(measure.bytes, plan.bytes());

  EXPECT_THAT(plan_run(config, 320, device_of(1e9, 2)).status().message(),
              HasSubstr("a count of 1 beside 3 processes, found 2"));
}

// GPUs are processes with a device each: they share out states, and the fullest must fit.
TEST(RunPlan, GpusOfOneSiteShareOutTheStates) {
  RunConfig config = config_with("limits: {steps: 12}\n");
  PlannedDevice device = device_of(1e9);
  device.is_gpu = true;
  const RunPlan one = plan_run(config, 320, device).value();
  config.parallel.processes = 2;
  device.count = 2;
  const RunPlan two = plan_run(config, 320, device).value();
  ASSERT_EQ(two.bytes_by_process.size(), 2U);
  EXPECT_DOUBLE_EQ(two.bytes(), std::ranges::max(two.bytes_by_process));
  EXPECT_LT(two.memory.bytes(MemoryKind::kStates), 0.8 * one.memory.bytes(MemoryKind::kStates));
  EXPECT_EQ(two.shape.sequences, one.shape.sequences);
  EXPECT_DOUBLE_EQ(
      two.tokens_per_s,
      2 * 0.5e9 / (two.flops_per_token + two.update_imbalance * two.flops_per_update / 128));
  device.memory_bytes = two.bytes();
  EXPECT_TRUE(plan_run(config, 320, device)->fits);
  device.memory_bytes -= 1;
  EXPECT_FALSE(plan_run(config, 320, device)->fits);

  device.count = 3;
  EXPECT_THAT(plan_run(config, 320, device).status().message(),
              HasSubstr("a GPU of its own: expected a count of 2 beside 2 processes, found 3"));
  // Without processes each holds all.
  config.parallel.processes = 1;
  device.count = 2;
  EXPECT_DOUBLE_EQ(plan_run(config, 320, device)->memory.bytes(MemoryKind::kStates),
                   one.memory.bytes(MemoryKind::kStates));
}

TEST(RunPlan, NamesTheLargestPartOfTheBatchThatFits) {
  const RunConfig config = config_with("limits: {steps: 12}\n");
  StepShape two = plan_run(config, 320, device_of(1e9)).value().shape;
  two.sequences = 2;
  two.accumulates = true;
  const RunPlan plan = plan_run(config, 320, device_of(plan_memory(two).bytes())).value();
  EXPECT_FALSE(plan.fits);
  EXPECT_EQ(plan.sequences_that_fit, 2);
  EXPECT_FALSE(plan_run(config, 320, device_of(1000)).value().sequences_that_fit);
}

// Each measure lowers what the ones before it left, the last one fits, and asking for all of them
// in the run file gives that plan.
TEST(RunPlan, NamesWhatToSwitchOnUntilItFits) {
  RunConfig config = config_with("limits: {steps: 12}\n");
  config.precision = tensor::Precision::kBFloat16;
  const RunPlan whole = plan_run(config, 320, device_of(1e9)).value();
  EXPECT_TRUE(whole.fits && whole.measures.empty());
  RunConfig lean = config;
  lean.memory = {.weights = tensor::Precision::kBFloat16, .recompute = Recompute::kFull};
  lean.optimizer.state_precision = tensor::Precision::kBFloat16;
  lean.batch = {.sequences = 1, .context = 32, .accumulate = 4};
  lean.checkpoint.asynchronous = false;
  const double least = plan_run(lean, 320, device_of(1e9))->memory.bytes();

  const RunPlan plan = plan_run(config, 320, device_of(least)).value();
  ASSERT_FALSE(plan.fits);
  EXPECT_TRUE(plan.fits_with_measures);
  std::vector<std::string> settings;
  double before = plan.memory.bytes();
  for (const MemoryMeasure& measure : plan.measures) {
    EXPECT_LT(measure.bytes, before) << measure.setting;
    before = measure.bytes;
    settings.push_back(measure.setting);
  }
  EXPECT_DOUBLE_EQ(before, least);
  EXPECT_THAT(settings, testing::ElementsAre(
                            "memory: {weights: bf16}, optimizer: {state_precision: bf16}",
                            "memory: {recompute: full}", "batch: {sequences: 1, accumulate: 4}",
                            "checkpoint: {asynchronous: false}"));
  const RunPlan never = plan_run(config, 320, device_of(least - 1)).value();
  EXPECT_FALSE(never.fits_with_measures);
  EXPECT_FALSE(plan_run(config, 320, device_of(whole.memory.bytes() - 1))->measures.empty());
}

// The sum for 8 billion weights on one card of 48 GB: weights and gradients alone are 2 * 16 GB, so
// the states have to live elsewhere.
TEST(RunPlan, EightBillionOnOneCardAddsUpWithStatesInHostMemory) {
  RunConfig config = config_with("limits: {steps: 12}\n");
  config.model.dimensions = find_preset("llama-8b")->config;
  config.precision = config.optimizer.muon.precision = tensor::Precision::kBFloat16;
  config.optimizer.rule = Rule::kMuon;
  config.batch = {.sequences = 1, .context = 8192, .accumulate = 8};
  const PlannedDevice a40 =
      planned_device(machine::find_device("a40").value(), tensor::Precision::kBFloat16, 1);
  const RunPlan plan = plan_run(config, 128256, a40).value();
  EXPECT_FALSE(plan.fits);
  ASSERT_TRUE(plan.fits_with_measures);
  const MemoryMeasure& last = plan.measures.back();
  EXPECT_EQ(last.setting, "memory: {states: host}");
  EXPECT_LT(last.bytes, a40.memory_bytes * a40.usable_share);
  const auto parameters = static_cast<double>(config.model.dimensions.num_parameters());
  EXPECT_GT(last.bytes, 4 * parameters);
  EXPECT_GT(last.host_bytes, 4 * parameters);
}

// Of a core its config.json is enough. Products with frozen weights: forward and the inputs'
// gradients; with the adapters of 8 * (in + out): all three.
TEST(RunPlan, AnAdapterIsPlannedOverTheCoresDimensions) {
  const TestFolder folder("adapter_plan");
  const ModelConfig core = config_with("limits: {steps: 12}\n").model.dimensions;
  Json json = [&] {
    ModelConfig whole = core;
    whole.vocabulary_size = 320;
    return config_to_hugging_face(whole, "float32");
  }();
  std::filesystem::create_directories(folder.path() / "core");
  write_text(folder.path() / "core/config.json", json.dump());
  const auto config_of = [&](std::string_view lora, int context) {
    return parse_run_config(
               fmt::format(
                   "kind: lora\nmodel: {{core: core}}\nlora: {}\ndata: {{path: "
                   "text.txt}}\nbatch: {{sequences: 4, context: {}}}\nlimits: {{steps: 12}}",
                   lora, context),
               "run.yaml", folder.path())
        .value();
  };
  const RunConfig config = config_of("{rank: 8}", 32);
  const RunPlan plan = plan_run(config, 0, device_of(1e9)).value();
  const double layer_widths = 4 * 64 + 3 * 96,
               matrices = 2 * (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32;
  EXPECT_DOUBLE_EQ(plan.flops_per_token,
                   4 * matrices + 6 * 2 * 8 * layer_widths + 12.0 * 2 * 32 * 32);
  EXPECT_DOUBLE_EQ(plan.flops_per_update, 0);  // AdamW, by default.
  const Json document = run_plan_to_json(plan);
  EXPECT_EQ(document["kind"], "lora");
  EXPECT_EQ(document["trainable_parameters"], 2 * 8 * layer_widths);
  EXPECT_EQ(document["memory"]["by_kind"]["states"], 2 * 8 * layer_widths * 8);

  const RunPlan few =
      plan_run(config_of("{rank: 8, targets: [q_proj]}", 32), 0, device_of(1e9)).value();
  EXPECT_LT(few.memory.bytes(), plan.memory.bytes());
  const RunPlan tight = plan_run(config, 0, device_of(plan.memory.bytes() - 1)).value();
  ASSERT_FALSE(tight.measures.empty());
  for (const MemoryMeasure& measure : tight.measures)
    EXPECT_THAT(measure.setting, Not(HasSubstr("weights"))) << "a core has its rounded copies";
  RunConfig shared = config;
  shared.parallel.processes = 2;
  EXPECT_EQ(plan_run(shared, 0, device_of(1e9))->bytes_by_process.size(), 2U);

  EXPECT_THAT(plan_run(config_of("{rank: 8}", 33), 0, device_of(1e9)).status().message(),
              HasSubstr("the core's context of 32, found 33"));
  EXPECT_THAT(plan_run(config_of("{targets: [c_attn]}", 32), 0, device_of(1e9)).status().message(),
              HasSubstr("\"c_attn\" is no linear layer"));
}

TEST(RunPlan, RefusesWhatCannotBePlanned) {
  const RunConfig config = config_with("limits: {steps: 12}\n");
  const auto uneven = plan_run(config, 320, device_of(1e9, 3));
  EXPECT_EQ(uneven.code(), Code::kInvalidArgument);
  EXPECT_THAT(uneven.status().message(), HasSubstr("multiple of the 3 devices, found 4"));
  EXPECT_EQ(plan_run(config, 0, device_of(1e9)).code(), Code::kInvalidArgument);
}

TEST(RunPlan, KnowsDevicesByNameAndTakesDensePeaks) {
  const PlannedDevice a40 =
      planned_device(machine::find_device("a40").value(), tensor::Precision::kBFloat16, 2);
  EXPECT_DOUBLE_EQ(a40.peak_flops, 149.7e12);
  EXPECT_EQ(a40.count, 2);
  EXPECT_DOUBLE_EQ(machine::find_device("H100")->bf16_flops, 989e12);  // 1979 is sparse.
  EXPECT_THAT(machine::find_device("A41").status().message(),
              HasSubstr("B580, cpu, found \"A41\""));
}

TEST(RunPlan, ListsEveryTensorInItsDocument) {
  const Json json = run_plan_to_json(
      plan_run(config_with("limits: {max_seconds: 36}\n"), 320, device_of(1e9)).value());
  double sum = 0;
  for (const Json& item : json["memory"]["tensors"]) sum += item["bytes"].get<double>();
  EXPECT_DOUBLE_EQ(sum, json["memory"]["bytes"].get<double>());
  EXPECT_TRUE(json["steps"].is_null());
}

}  // namespace
}  // namespace panal::recipe
