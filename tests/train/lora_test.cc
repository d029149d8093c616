// LoRA runs over a core that was pre-trained a moment before: the core stays as it is, the adapter
// learns, a resume is exact, and a core that does not fit is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "model/decoder.h"
#include "store/file_system.h"
#include "tensor/named_tensor.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

class LoraRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TestFolder>("lora");
    const auto config = toy_config(folder_->path(), toy_yaml("limits: {steps: 120}\n"), "core_run");
    RecordingEvents events;
    const auto summary = run_toy(config, events);
    ASSERT_TRUE(summary.ok()) << summary.status().message();
    // The core's words in an order it never saw.
    const char* things[] = {"honey", "wax", "water", "pollen"};
    const char* bees[] = {"the bee", "a queen", "my drone"};
    std::string other;
    for (int i = 0; i < 240; ++i) {
      other += std::string(things[i * i % 7 % 4]) + " guards " + bees[i % 3] + " and " +
               things[(i / 2 + i / 3) % 4] + " finds " + bees[i * 5 / 4 % 3] + ". ";
    }
    write_text(folder_->path() / "other.txt", other);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static recipe::RunConfig config(const std::string& run,
                                  const std::string& more = "limits: {steps: 20}\n",
                                  const std::string& core = "core_run/model") {
    return toy_config(folder_->path(),
                      "kind: lora\nmodel: {core: " + core +
                          "}\nlora: {rank: 4, alpha: 8}\n"
                          "data: {path: other.txt, passage_bytes: 256, validation_fraction: 0.2}\n"
                          "optimizer: {learning_rate: 0.02}\n"
                          "batch: {sequences: 2, context: 24}\n" +
                          more,
                      run);
  }
  static std::unique_ptr<TestFolder> folder_;
};
std::unique_ptr<TestFolder> LoraRun::folder_;

TEST_F(LoraRun, TrainsWithoutTouchingTheCore) {
  const std::string core = read_text(folder_->path() / "core_run/model/model.safetensors");
  RecordingEvents events;
  const auto summary = run_toy(config("learns", "limits: {steps: 120}\n"), events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->kind, "lora");
  EXPECT_LT(summary->last_evaluation->loss, 0.7 * summary->first_evaluation->loss);
  EXPECT_LT(summary->trainable_parameters, summary->parameters / 2);
  EXPECT_EQ(read_text(folder_->path() / "core_run/model/model.safetensors"), core);
  auto decoder = model::load_decoder(folder_->path() / "core_run/model");
  ASSERT_TRUE(decoder.ok());
  const Status loaded = decoder->load_adapter(summary->model_folder);
  EXPECT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_TRUE(std::filesystem::exists(summary->model_folder / "adapter_config.json"));
}

TEST_F(LoraRun, StoppedAndResumedEqualsNeverStopped) {
  RecordingEvents events, stopped, resumed;
  ASSERT_TRUE(run_toy(config("whole"), events).ok());
  stopped.stop_after_step = 9;
  ASSERT_EQ(run_toy(config("parts"), stopped)->status, work::RunStatus::kStopped);
  ASSERT_EQ(run_toy(config("parts"), resumed)->resumed_from_step, 9);
  const auto adapter = [&](const std::string& run) {
    return read_text(folder_->path() / run / "model/adapter_model.safetensors");
  };
  EXPECT_FALSE(adapter("whole").empty());
  EXPECT_EQ(adapter("parts"), adapter("whole"));
}

TEST_F(LoraRun, ResumeRefusesACoreWithOtherWeights) {
  const auto copy = folder_->path() / "core_copy";
  std::filesystem::copy(folder_->path() / "core_run/model", copy,
                        std::filesystem::copy_options::recursive);
  RecordingEvents stopped, resumed;
  stopped.stop_after_step = 2;
  ASSERT_TRUE(run_toy(config("other_core", "limits: {steps: 20}\n", "core_copy"), stopped).ok());
  std::string bytes = read_text(copy / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(copy / "model.safetensors", bytes);
  const auto summary = run_toy(config("other_core", "limits: {steps: 20}\n", "core_copy"), resumed);
  EXPECT_EQ(summary.code(), Code::kConflict);
  EXPECT_THAT(summary.status().message(),
              HasSubstr("what model.core leads to is not what the run"));
}

// Weights that are not numbers: every step is left out, nothing is learnt from it, and the run ends
// soon.
TEST_F(LoraRun, RefusesACoreThatIsNotFiniteBeforeAnyStep) {
  auto decoder = model::load_decoder(folder_->path() / "core_run/model");
  ASSERT_TRUE(decoder.ok());
  for (auto& parameter : decoder->parameters()) {
    if (parameter.name.find("norm") != std::string::npos) parameter.value.detach().fill_(NAN);
  }
  const auto broken = folder_->path() / "broken_core";
  std::filesystem::copy(folder_->path() / "core_run/model", broken,
                        std::filesystem::copy_options::recursive);
  ASSERT_TRUE(decoder->save_hugging_face(broken).ok());
  RecordingEvents events;
  const auto summary = run_toy(config("broken", "limits: {steps: 20}\n", "broken_core"), events);
  EXPECT_EQ(summary.code(), Code::kCorrupt);
  EXPECT_THAT(summary.status().message(), HasSubstr("expected finite values"));
  EXPECT_TRUE(events.steps.empty());
}

TEST_F(LoraRun, TellsWhatDoesNotFitTheCore) {
  RecordingEvents events;
  const auto target = run_toy(config("target", "limits: {steps: 2}\n"), events);
  ASSERT_TRUE(target.ok());
  auto wrong_target = config("wrong_target");
  wrong_target.lora.targets = {"q_projection"};
  const auto unknown = run_toy(wrong_target, events);
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.status().message(), HasSubstr("q_projection"));
  auto too_long = config("too_long");
  too_long.batch.context = 64;
  const auto longer = run_toy(too_long, events);
  ASSERT_FALSE(longer.ok());
  EXPECT_THAT(longer.status().message(), HasSubstr("at most the core's context of 32, found 64"));
}

// A tokenizer with more tokens than the core has embeddings would read outside of them.
TEST_F(LoraRun, RefusesATokenizerLargerThanTheCore) {
  const auto small = folder_->path() / "small_core";
  std::filesystem::copy(folder_->path() / "core_run/model", small,
                        std::filesystem::copy_options::recursive);
  auto decoder = model::load_decoder(small);
  ASSERT_TRUE(decoder.ok());
  recipe::ModelConfig dimensions = decoder->config();
  dimensions.vocabulary_size = 300;
  ASSERT_TRUE(model::Decoder::random(dimensions, 1).save_hugging_face(small).ok());
  RecordingEvents events;
  const auto summary = run_toy(config("small", "limits: {steps: 2}\n", "small_core"), events);
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(summary.status().message(), HasSubstr("320"));
}

}  // namespace
}  // namespace panal::train
