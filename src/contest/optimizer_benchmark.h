// How many tokens does each update rule need to the same validation loss? Every rule trains the
// same random model on the same batches of real text, with its own learning rates tuned, and what
// counts is when it gets there, over several seeds.
//
// The learning rate is constant after a warm-up: a run to a target does not know its length, and
// with a schedule that ends the length would be one more setting to tune per rule. All rules pay
// for that alike, but the figures are not those of runs that decay to 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "recipe/model_config.h"
#include "tensor/precision.h"
#include "train/run.h"
#include "work/benchmark_jobs.h"

namespace panal::contest {

struct OptimizerBenchmarkOptions {
  std::vector<std::filesystem::path> data{};  // Text or JSONL files, folders.
  std::filesystem::path folder{};             // Tokens and tokenizer are written there.
  std::vector<std::string> rules{};           // optimizer_benchmark_rules(); empty: all.
  /// Nats per token. Empty: where the first rule, untuned, gets in half of `most_steps`.
  std::optional<double> target{};
  std::int64_t seeds = 3;                 // Each of weights and batches; the first one tunes.
  recipe::ModelConfig model{};            // Its vocabulary is that of the tokenizer to train.
  std::int64_t sequences = 16;            // Of model.context_length tokens each, per step.
  std::int64_t most_steps = 800;          // Of each run.
  std::int64_t warmup_steps = 20;         // Below most_steps.
  std::int64_t evaluation_every = 10;     // Steps.
  std::int64_t evaluation_tokens = 8192;  // Of held-out text.
  tensor::Precision precision = tensor::Precision::kFloat32;
  /// By rule, values to try instead of the built-in ones; a single value is not tuned.
  std::map<std::string, std::vector<double>> learning_rates{}, embedding_learning_rates{},
      extrapolations{};
};

/// The rules by name: adamw, muon, normuon, scion, transported_scion (the accelerated Muon) and
/// ema_nesterov_muon (the other one).
std::vector<std::string> optimizer_benchmark_rules();

/// Trains and measures; may take hours. Settings are tuned on seed 1, one after the other from the
/// middle of a grid, beyond its ends where those are best, again until nothing changes (twice at
/// most); a trial ends when it cannot be the best any more. Rules that are changes of Muon start
/// from its tuned settings. Tells of every run through `events` (messages and progress).
///
/// Stopping gives what is known by then. Equal threads and options give equal steps and tokens.
/// Errors   kInvalidArgument for unknown rules, sizes that do not fit, no data or too little of it,
///          a target that a model which knows nothing has already; those of reading the data.
Result<work::OptimizerContest> benchmark_optimizers(const OptimizerBenchmarkOptions& options,
                                                    const Clock& clock, train::RunEvents& events,
                                                    std::stop_token stop);

}  // namespace panal::contest
