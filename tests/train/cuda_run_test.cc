// Runs on a CUDA device against runs on the CPU, where this build has kernels and a device answers.
// What no simulation shows: the library's attention, streams, captured passes, pinned copies.
#include <gtest/gtest.h>

#include "tensor/device.h"
#include "tensor/precision.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

class CudaRun : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = tensor::why_not_trained_on("cuda");
    if (!reason.empty()) GTEST_SKIP() << "the device " << reason;
  }

  std::vector<double> losses_of(const std::string& yaml, const std::string& device) {
    RecordingEvents events;
    const auto config = toy_config(folder_.path(), yaml + "device: " + device + "\n", device);
    std::filesystem::remove_all(config.run_directory);
    const auto summary = run_toy(config, events);
    EXPECT_TRUE(summary.ok()) << summary.status().message();
    std::vector<double> losses;
    for (const work::TrainingProgress& step : events.steps) losses.push_back(step.loss.value());
    for (const work::EvaluationPoint& point : events.evaluations) losses.push_back(point.loss);
    return losses;
  }

  void expect_same(const std::string& yaml, double tolerance) {
    const auto found = losses_of(yaml, "cuda"), wanted = losses_of(yaml, "cpu");
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], wanted[i], tolerance) << i;
  }

  TestFolder folder_{"cuda"};
};

// Twelve steps: captured passes are replayed from the fourth on.
TEST_F(CudaRun, LearnsWhatTheCpuLearns) {
  expect_same(toy_yaml() + "precision: fp32\n", 2e-3);
  expect_same(toy_yaml() + "precision: fp32\ncuda_graphs: off\n", 2e-3);
  if (machine::cpu_multiplies_bfloat16()) {
    expect_same(toy_yaml() + "precision: bf16\n", 5e-2);
    expect_same(
        toy_yaml() + "precision: bf16\nmemory: {weights: bf16, recompute: full, states: host}\n",
        5e-2);
  }
}

TEST_F(CudaRun, KeepsDocumentsApartInBothPrecisions) {
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("passage_bytes: 256"), 18,
               "passage_bytes: 256, packing: within_documents");
  expect_same(yaml + "precision: fp32\n", 2e-3);
  if (machine::cpu_multiplies_bfloat16()) expect_same(yaml + "precision: bf16\n", 5e-2);
}

TEST_F(CudaRun, StoppedAndResumedEqualsNeverStoppedToTheBit) {
  for (const std::string more : {"", "memory: {weights: bf16, states: host}\n"}) {
    const std::string yaml = toy_yaml() + "precision: bf16\ndevice: cuda\n" + more;
    const std::string name = more.empty() ? "plain" : "lean";
    const auto whole = toy_config(folder_.path(), yaml, name);
    const auto parts = toy_config(folder_.path(), yaml, name + "_parts");
    RecordingEvents events, stopped, resumed;
    stopped.stop_after_step = 7;
    ASSERT_TRUE(run_toy(whole, events).ok());
    ASSERT_TRUE(run_toy(parts, stopped).ok());
    ASSERT_TRUE(run_toy(parts, resumed).ok());
    EXPECT_EQ(read_text(whole.run_directory / "model/model.safetensors"),
              read_text(parts.run_directory / "model/model.safetensors"));
  }
}

}  // namespace
}  // namespace panal::train
