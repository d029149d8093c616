// Whole runs on the device against runs on the CPU: the same losses, evaluations and weights up to
// the order of sums, and bit-equal resumes.
#include <gmock/gmock.h>

#include <cmath>

#include "tensor/device.h"
#include "tensor/tensor_file.h"
#include "tests/device/simulated_device.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

using kernels::cuda::WithoutDevice;

std::string yaml_of(const std::string& model, const std::string& optimizer,
                    const std::string& more = "") {
  return "kind: pretrain\nname: toy\ndevice: auto\n"
         "model: {width: 16, layers: 1, heads: 2, feed_forward_width: 32, context_length: 16" +
         model +
         "}\ntokenizer: {vocabulary_size: 300}\n"
         "data: {path: text.txt, validation_fraction: 0.2, passage_bytes: 256" +
         (more.find("packing") != std::string::npos ? more : "") + "}\noptimizer: {" + optimizer +
         "}\nbatch: {sequences: 2, context: 16, accumulate: 2}\n"
         "checkpoint: {every_steps: 2, every_seconds: 0}\n"
         "evaluation: {sample_tokens: 2, max_tokens: 64}\nlimits: {steps: 4, threads: 1}\n" +
         (more.find("packing") != std::string::npos ? "" : more);
}

std::vector<double> losses_of(const RecordingEvents& events) {
  std::vector<double> losses;
  for (const work::TrainingProgress& step : events.steps) losses.push_back(step.loss.value());
  for (const work::EvaluationPoint& point : events.evaluations) losses.push_back(point.loss);
  return losses;
}

void expect_same_run(const std::string& yaml, double tolerance) {
  TestFolder folder("device");
  RecordingEvents on_device, on_cpu;
  const std::int64_t before = kernels::cuda::num_launches();
  const auto config = toy_config(folder.path(), yaml, "device");
  const auto summary = run_toy(config, on_device);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_GT(kernels::cuda::num_launches(), before + 100);
  const WithoutDevice cpu;
  const auto expected = run_toy(toy_config(folder.path(), yaml, "cpu", with_bfloat16()), on_cpu);
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  const auto found = losses_of(on_device), wanted = losses_of(on_cpu);
  ASSERT_EQ(found.size(), wanted.size());
  ASSERT_GE(found.size(), 6u);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], wanted[i], tolerance) << i;
}

const std::string kMuon = "rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02";

TEST(DeviceRun, LearnsWhatTheCpuLearns) {
  expect_same_run(yaml_of("", "rule: adamw, learning_rate: 0.003", "precision: fp32\n"), 1e-4);
  expect_same_run(yaml_of(", key_value_heads: 1, qk_norm: true", kMuon, "precision: fp32\n"), 1e-3);
  expect_same_run(yaml_of(", architecture: gpt2, logit_soft_cap: 20",
                          "rule: normuon, learning_rate: 0.003", "precision: fp32\n"),
                  1e-3);
}

TEST(DeviceRun, LearnsInBfloat16WithEveryMemorySetting) {
  // Roundings meet elsewhere; a wrong sum or gradient would be far off after four steps.
  for (const char* memory : {"{}", "{weights: bf16, recompute: full, states: host}",
                             "{recompute: selective, states: host}"}) {
    expect_same_run(yaml_of(", qk_norm: true", kMuon + ", state_precision: bf16",
                            std::string("precision: bf16\nmemory: ") + memory + "\n"),
                    3e-2);
  }
}

TEST(DeviceRun, KeepsDocumentsApart) {
  expect_same_run(yaml_of("", kMuon, ", packing: within_documents"), 3e-2);
}

TEST(DeviceRun, ResumesToTheBitAndOnTheCpu) {
  TestFolder folder("device_resume");
  const std::string yaml = yaml_of("", kMuon, "precision: fp32\n");
  const auto whole = toy_config(folder.path(), yaml, "whole");
  const auto parts = toy_config(folder.path(), yaml, "parts");
  const auto elsewhere = toy_config(folder.path(), yaml, "elsewhere");
  RecordingEvents events, stopped, resumed, stopped_too, on_cpu;
  stopped.stop_after_step = stopped_too.stop_after_step = 2;
  ASSERT_TRUE(run_toy(whole, events).ok());
  ASSERT_TRUE(run_toy(parts, stopped).ok());
  ASSERT_EQ(run_toy(parts, resumed)->resumed_from_step, 2);
  EXPECT_EQ(read_text(whole.run_directory / "model/model.safetensors"),
            read_text(parts.run_directory / "model/model.safetensors"));
  ASSERT_TRUE(run_toy(elsewhere, stopped_too).ok());
  const WithoutDevice cpu;
  const auto moved = run_toy(elsewhere, on_cpu);
  ASSERT_TRUE(moved.ok()) << moved.status().message();
  EXPECT_NEAR(moved->last_evaluation->loss, events.evaluations.back().loss, 1e-3);
}

TEST(DeviceRun, RefusesADeviceThatIsNotThere) {
  TestFolder folder("no_device");
  EXPECT_TRUE(tensor::trains_on_cuda("cuda"));
  const WithoutDevice cpu;
  EXPECT_FALSE(tensor::trains_on_cuda("auto"));
  const auto config = recipe::parse_run_config(toy_yaml() + "device: cuda\n", "run.yaml",
                                               folder.path(), runs_here());
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.status().message(), testing::HasSubstr("no simulated device is plugged in"));
}

}  // namespace
}  // namespace panal::train
