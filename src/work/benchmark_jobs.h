// Jobs that measure a machine: its speed in training, what is left of it beside another program,
// and which update rule gets somewhere first.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "work/codec.h"
#include "work/machine.h"
#include "work/training.h"

namespace panal::work {

/// The outcome of TrainingBenchmarkJob.
struct TrainingBenchmark {
  std::string device{};  // The one that was used.
  std::string arch{};    // "gpt2" or "llama".
  std::int64_t layers = 0, width = 0, heads = 0;
  std::int64_t vocabulary_size = 0, context_length = 0;
  std::int64_t parameters = 0;
  double tokens_per_s = 0;  // At the median step, as the three after step_s_high.
  double step_s = 0, step_s_low = 0, step_s_high = 0;  // Median, fastest, slowest.
  double gflops = 0;                                   // Of the model, per second.
  double gemm_peak_gflops = 0;                         // Of the best matrix product, per second.
  double mfu = 0;                                      // The one by the other.
  std::optional<double> loss{};        // Of the last step; unknown when it diverged.
  std::vector<double> step_seconds{};  // In their order.
  Machine machine{};
  std::optional<std::int64_t> peak_device_bytes{};  // Of tensors on a GPU.
  /// The most the process held during the steps, and what it held before there was a model; unknown
  /// where the system does not tell.
  std::optional<std::int64_t> peak_resident_bytes{}, base_resident_bytes{};
};

/// The speed of training steps on random tokens.
struct TrainingBenchmarkJob {
  static constexpr char kKind[] = "benchmark";
  using Outcome = TrainingBenchmark;
  /// A name of recipe/presets.h; layers, vocabulary_size and context_length may change its shape.
  /// Without one arch and all five sizes are needed.
  std::optional<std::string> preset{};
  std::optional<std::string> arch{};
  std::optional<std::int64_t> layers{}, width{}, heads{};
  std::optional<std::int64_t> vocabulary_size{}, context_length{};
  std::int64_t sequences = 4;  // Of context_length tokens each.
  std::int64_t steps = 5, warmup_steps = 2;
  std::string precision = "fp32";  // Of products, "fp32" or "bf16"; the next two of what is kept.
  std::string weights = "fp32", states = "fp32";
  std::string recompute = "none";   // As a run file's memory.recompute.
  std::string optimizer = "adamw";  // Or "muon".
  std::string device = "auto";      // Or "cpu" or "cuda".
};

/// One kind of work alone and beside a process that keeps one core busy.
struct ContentionFigures {
  std::string work{};                   // "pretrain fp32", "pretrain bf16", "lora bf16", ...
  std::vector<double> alone{}, busy{};  // Tokens/s of each round, in their order.
  double alone_tokens_per_s = 0, busy_tokens_per_s = 0;   // Medians.
  double ratio = 0, lowest_ratio = 0, highest_ratio = 0;  // Of busy / alone of the rounds; median.
};
struct Contention {
  std::vector<ContentionFigures> works{};
  Machine machine{};
};

struct ContentionJob {
  static constexpr char kKind[] = "contention";
  using Outcome = Contention;
  std::int64_t rounds = 5;
  double seconds_per_phase = 3;
  std::optional<std::filesystem::path> model{};  // A core to generate from, too.
};

/// A figure over seeds.
struct SeedFigure {
  double mean = 0, low = 0, high = 0;
};

struct RuleSettings {
  double learning_rate = 0, embedding_learning_rate = 0;
  std::optional<double> extrapolation{};  // Of accelerated rules.
};

/// A run that looks for a rule's settings.
struct RuleTrial {
  RuleSettings settings{};
  std::optional<double> tokens{};  // To the target, when it was reached.
  std::optional<double> final_loss{};
  bool was_cut_short = false;  // It could not be the best any more.
  bool has_diverged = false;
};

/// Steps, tokens, seconds, loss in nats per token of held-out text.
using CurvePoint = std::array<double, 4>;

/// A run with a rule's best settings.
struct SeedRun {
  std::int64_t seed = 0;
  std::optional<double> steps{}, tokens{}, seconds{};  // To the target, when it was reached.
  std::optional<double> final_loss{};
  bool has_diverged = false;
  std::vector<CurvePoint> curve{};
};

struct RuleFigures {
  std::string rule{};
  RuleSettings settings{};       // The best ones found.
  bool is_complete = false;      // False when it was stopped before the last seed.
  std::int64_t num_reached = 0;  // Seeds that got to the target.
  /// Over the seeds that got there; unknown when none did.
  std::optional<SeedFigure> steps{}, tokens{}, seconds{};
  std::optional<SeedFigure> tokens_by_adamw{}, tokens_by_muon{};
  std::vector<RuleTrial> trials{};
  std::vector<SeedRun> seeds{};
};

/// Whether a rule needs as few of another's tokens as its makers claim.
struct RuleGoal {
  std::string rule{}, than{};
  double goal = 0;  // Ratio of tokens, at most.
  std::optional<SeedFigure> ratio{};
  std::optional<bool> is_met{};  // By the mean over seeds.
  std::string verdict{};         // A sentence.
};

struct OptimizerContest {
  RunStatus status = RunStatus::kCompleted;
  std::optional<double> target{};  // Nats per token; unknown when it was stopped before.
  bool target_is_automatic = false;
  std::int64_t vocabulary_size = 0;
  std::int64_t parameters = 0;
  std::int64_t tokens_per_step = 0;
  std::int64_t training_tokens = 0, validation_tokens = 0;  // In the text.
  std::string dataset_sha256{};
  Machine machine{};
  std::vector<RuleFigures> rules{};
  std::vector<RuleGoal> goals{};  // Of rules that competed.
};

using ValuesByRule = std::map<std::string, std::vector<double>>;

/// How many tokens each update rule needs to the same loss; contest/optimizer_benchmark.h.
struct OptimizerContestJob {
  static constexpr char kKind[] = "optimizers";
  using Outcome = OptimizerContest;
  std::vector<std::filesystem::path> data{};
  std::vector<std::string> rules{};  // Empty: all.
  std::optional<double> target{};
  std::int64_t seeds = 3;
  std::int64_t layers = 4, width = 128, heads = 4;
  std::int64_t vocabulary_size = 1024, context_length = 128;
  std::int64_t sequences = 16;  // Per step.
  std::int64_t most_steps = 800, warmup_steps = 20;
  std::int64_t evaluation_every = 10;  // Steps.
  std::int64_t validation_tokens = 8192;
  std::string precision = "fp32";
  ValuesByRule learning_rates{}, embedding_learning_rates{}, extrapolations{};
};

}  // namespace panal::work
