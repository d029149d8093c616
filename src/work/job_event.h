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
#include "work/training.h"

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
