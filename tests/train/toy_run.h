// A run small enough for a test: some kilobytes of text, a model of a few thousand parameters, a
// handful of steps.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "train/run.h"

namespace panal::train {

/// A folder of its own, removed at the end.
class TestFolder {
 public:
  explicit TestFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("panal_train_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Text with something to learn: sentences from a few words, different enough for a vocabulary of
/// 320.
inline std::string toy_text(int num_paragraphs) {
  const std::vector<std::string> who = {"the bee", "a queen", "my drone", "the keeper",
                                        "one worker"};
  const std::vector<std::string> does = {"carries", "finds", "builds", "guards", "remembers"};
  const std::vector<std::string> what = {"honey", "the hive", "pollen", "a flower", "wax", "water"};
  std::string text;
  for (int i = 0; i < num_paragraphs; ++i) {
    for (int j = 0; j < 6; ++j) {
      const int k = i * 7 + j * 3 + i * j;
      text += who[k % 5] + " " + does[(k / 2 + j) % 5] + " " + what[(k + i) % 6] + ". ";
    }
    text += "\n\n";
  }
  return text;
}

/// YAML of a pre-training run over folder/text.txt; `more` is added at the end.
inline std::string toy_yaml(const std::string& more = "limits: {steps: 12}\n") {
  return "kind: pretrain\n"
         "name: toy\n"
         "model: {width: 32, layers: 2, heads: 2, feed_forward_width: 64, context_length: 32}\n"
         "tokenizer: {vocabulary_size: 320}\n"
         "data: {path: text.txt, validation_fraction: 0.2, passage_bytes: 256}\n"
         "optimizer: {rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02}\n"
         "batch: {sequences: 4, context: 32}\n"
         "checkpoint: {every_steps: 4, every_seconds: 0}\n"
         "evaluation: {sample_tokens: 8, max_tokens: 512}\n" +
         more;
}

inline TrainConfig toy_config(const std::filesystem::path& folder, const std::string& yaml,
                              const std::string& run = "run") {
  if (!std::filesystem::exists(folder / "text.txt")) write_text(folder / "text.txt", toy_text(60));
  TrainConfig config = parse_train_config(yaml, "run.yaml", folder).value();
  config.run_directory = folder / run;
  return config;
}

/// Remembers what it was told and can ask for a stop after a step.
class RecordingEvents final : public RunEvents {
 public:
  void on_message(std::string_view text) override { messages += std::string(text) + "\n"; }
  void on_progress(const Progress& progress) override {
    steps.push_back(progress);
    if (progress.step == stop_after_step) stop.request_stop();
  }
  void on_evaluation(const EvaluationPoint& point) override { evaluations.push_back(point); }
  void on_sample(std::string_view text) override { sample = text; }
  void on_checkpoint(std::int64_t step, const std::filesystem::path&) override {
    checkpoints.push_back(step);
  }

  std::string messages, sample;
  std::vector<Progress> steps;
  std::vector<EvaluationPoint> evaluations;
  std::vector<std::int64_t> checkpoints;
  std::int64_t stop_after_step = -1;
  std::stop_source stop;
};

inline Result<TrainSummary> run_toy(const TrainConfig& config, RecordingEvents& events) {
  return run(config, events, events.stop.get_token());
}

}  // namespace panal::train
