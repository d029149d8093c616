// What a job tells while it runs: one document a line on the standard output it was started with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "work/codec.h"
#include "work/failure.h"
#include "work/generation.h"

namespace panal::work {

/// A sentence for people.
struct JobMessage {
  std::string text{};
};
/// A piece of text that is being generated.
struct JobText {
  std::string text{};
};
/// What a model in training wrote.
struct JobSample {
  std::string text{};
};
/// How far a job is, 0 to 1.
struct JobAdvance {
  double fraction = 0;
};
struct TrainingProgress {
  std::int64_t step = 0;         // Updates done.
  std::int64_t steps = 0;        // Planned.
  std::optional<double> loss{};  // Mean training loss of the step, nats per token.
  double learning_rate = 0;
  std::int64_t tokens = 0;               // Trained on so far, over all resumes.
  std::optional<double> tokens_per_s{};  // Of the last steps, evaluations and checkpoints left out.
  std::optional<double> seconds_left{};
};
/// Of one of a run's evaluation.tasks.
struct TaskScore {
  std::string name{};
  std::int64_t items = 0;
  double acc = 0;
  double acc_norm = 0;
  std::optional<double> acc_standard_error{};  // Unknown for a single item.
  std::optional<double> acc_norm_standard_error{};
};
/// A look at held-out text in the course of a run.
struct EvaluationPoint {
  std::int64_t step = 0;
  std::int64_t tokens = 0;             // Scored.
  double loss = 0;                     // Nats per token.
  std::optional<double> perplexity{};  // Unknown where it is more than a double holds.
  std::optional<double> bits_per_byte{};
  std::vector<TaskScore> tasks{};  // One of each.
};
struct CheckpointWritten {
  std::int64_t step = 0;
  std::filesystem::path folder{};
};
/// The last line of a job that was done: what its kind promises, still encoded.
struct JobDone {
  Json result = Json::object();
};

/// ServerFacts: a server is ready. JobDone and Failure end a job.
struct JobEvent {
  std::variant<JobMessage, JobText, JobSample, JobAdvance, TrainingProgress, EvaluationPoint,
               CheckpointWritten, ServerFacts, JobDone, Failure>
      event{};
};

/// An event as it is kept beside a job, for those who follow it from elsewhere or later.
struct ToldEvent {
  std::string activity{};  // What was going on, for people.
  JobEvent event{};
};

}  // namespace panal::work
