// One run of one rule towards a target loss: steps with an evaluation every few, no files.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "train/config.h"
#include "train/detail/corpus.h"
#include "train/detail/target_crossing.h"
#include "train/run.h"

namespace panal::train::detail {

/// What all runs of a benchmark share.
struct TargetTask {
  /// Seed and optimizer are each run's; the model's dimensions hold the tokenizer's vocabulary.
  TrainConfig config;
  Corpus corpus;
  std::vector<std::int32_t> validation_tokens;
};

struct TargetRunOptions {
  std::optional<double> target{};  // Empty: runs to its limit.
  std::int64_t most_steps = 1;
  std::uint64_t seed = 1;
};

struct TargetRun {
  std::uint64_t seed = 1;
  std::vector<LossReading> curve{};  // From step 0 on.
  std::optional<Crossing> reached{};
  /// A loss or a gradient was not finite, or far over what a fresh model has; the run ended there.
  bool has_diverged = false;
};

/// Ends as soon as the target is crossed, the limit is reached or the run has diverged. Errors:
/// kCancelled; those of the data; what torch throws.
Result<TargetRun> run_to_target(const TargetTask& task, const optim::OptimizerConfig& optimizer,
                                const TargetRunOptions& options, const Clock& clock,
                                RunEvents& events, std::stop_token stop);

}  // namespace panal::train::detail
