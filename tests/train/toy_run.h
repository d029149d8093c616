// A run small enough for a test: some kilobytes of text, a model of a few thousand parameters, a
// handful of steps.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/recipe/toy_yaml.h"
#include "tests/toy_text.h"
#include "train/probes.h"
#include "train/run.h"

namespace panal::train {

/// A computer that trains in bfloat16: what is promised of such runs holds without the CPU's own
/// instructions too, only slower.
inline recipe::RunsOn with_bfloat16() {
  recipe::RunsOn runs_on = runs_here();
  runs_on.multiplies_bfloat16 = true;
  return runs_on;
}

inline recipe::RunConfig toy_config(const std::filesystem::path& folder, const std::string& yaml,
                                    const std::string& run = "run",
                                    const recipe::RunsOn& runs_on = runs_here()) {
  if (!std::filesystem::exists(folder / "text.txt")) write_text(folder / "text.txt", toy_text(60));
  recipe::RunConfig config = recipe::parse_run_config(yaml, "run.yaml", folder, runs_on).value();
  config.run_directory = folder / run;
  return config;
}

/// Remembers what it was told and can ask for a stop after a step.
class RecordingEvents final : public RunEvents {
 public:
  void on_message(std::string_view text) override { messages += std::string(text) + "\n"; }
  void on_progress(const work::TrainingProgress& progress) override {
    steps.push_back(progress);
    if (progress.step == stop_after_step) stop.request_stop();
  }
  void on_evaluation(const work::EvaluationPoint& point) override { evaluations.push_back(point); }
  void on_sample(std::string_view text) override { sample = text; }
  void on_checkpoint(std::int64_t step, const std::filesystem::path&) override {
    checkpoints.push_back(step);
  }

  std::string messages, sample;
  std::vector<work::TrainingProgress> steps;
  std::vector<work::EvaluationPoint> evaluations;
  std::vector<std::int64_t> checkpoints;
  std::int64_t stop_after_step = -1;
  std::stop_source stop;
};

inline Result<work::TrainingSummary> run_toy(const recipe::RunConfig& config,
                                             RecordingEvents& events) {
  return run(config, events, events.stop.get_token());
}

}  // namespace panal::train
