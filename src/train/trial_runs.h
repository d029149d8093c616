// Runs that leave nothing behind: one text and one model, trained again and again with other
// optimizers and seeds, each traced by its validation loss. Contests of update rules are made of
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "recipe/run_config.h"
#include "train/run.h"

namespace panal::train {

/// One evaluation of a run.
struct LossReading {
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // Trained on so far.
  double seconds = 0;       // Of training steps alone.
  double loss = 0;          // Nats per token; finite.
};

struct TrialRun {
  std::uint64_t seed = 1;
  std::vector<LossReading> curve{};  // From step 0 on.
  /// A loss or a gradient was not finite, or far over what a fresh model has; the run ended there.
  bool has_diverged = false;
};

struct TrialOptions {
  std::int64_t most_steps = 1;
  std::uint64_t seed = 1;  // Of weights and batches.
  /// Asked after every reading: true ends the run. Empty: it goes on to its limit.
  std::function<bool(std::span<const LossReading> curve)> is_enough{};
};

class TrialRuns {
 public:
  /// Tokenizes the text once, into `folder`, with a tokenizer of its own. Of `config` count data,
  /// dimensions, batch, schedule, precision and evaluation.every_steps. Errors: those of reading
  /// and tokenizing; kInvalidArgument for text too short to hold some of it out; kCancelled.
  static Result<TrialRuns> prepare(recipe::RunConfig config, const std::filesystem::path& folder,
                                   std::int64_t most_validation_tokens, RunEvents& events,
                                   std::stop_token stop);

  const recipe::ModelConfig& model() const;  // With the vocabulary that the text gave.
  std::string dataset_sha256() const;
  std::int64_t training_tokens() const;
  std::int64_t validation_tokens() const;

  /// Trains until `is_enough`, the limit, or the run has diverged. Equal threads, seeds and
  /// settings give equal curves. Errors: kCancelled; those of the data; what torch throws.
  Result<TrialRun> run(const recipe::OptimizerConfig& optimizer, const TrialOptions& options,
                       const Clock& clock, RunEvents& events, std::stop_token stop) const;

 private:
  struct State;
  explicit TrialRuns(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;  // Copies of the door share what was prepared.
};

}  // namespace panal::train
