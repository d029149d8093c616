// A training run: how far it is, how good its model is, and what it came to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "work/codec.h"
#include "work/energy_reading.h"
#include "work/machine.h"

namespace panal::work {

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
  std::map<std::string, TaskScore> tasks{};  // By name.
};

/// What one source of the data gave.
struct SourceUse {
  std::string name{};
  double share = 1;              // Of all windows.
  std::int64_t num_tokens = 0;   // In the data, with end-of-text tokens.
  std::int64_t num_windows = 0;  // In one epoch.
  std::int64_t windows = 0;      // Drawn.
  std::optional<double> epochs{};
};

enum class RunStatus {
  kCompleted,  // All planned steps done.
  kTimeLimit,  // max_seconds ended it early; the model is written, and a larger limit goes on from
               // here.
  kStopped,    // On request; there is a checkpoint but no model folder yet.
};
/// "completed", "time_limit" or "stopped".
std::string_view run_status_name(RunStatus status);

struct TrainingSummary {
  RunStatus status = RunStatus::kCompleted;
  std::string kind{};  // "pretrain" or "lora".
  std::string name{};
  std::int64_t steps = 0;
  std::int64_t planned_steps = 0;
  std::int64_t skipped_steps = 0;       // Updates left out: not finite, or outliers.
  std::int64_t outlier_steps = 0;       // Of those, outliers.
  std::int64_t rollbacks = 0;           // Times the run diverged and went back to a checkpoint.
  std::int64_t resumed_from_step = -1;  // -1: this call began the run.
  std::int64_t parameters = 0;
  std::int64_t trainable_parameters = 0;
  std::int64_t training_documents = 0;
  std::int64_t validation_documents = 0;
  std::int64_t duplicate_documents = 0;  // Removed by data.deduplicate.
  std::int64_t duplicate_bytes = 0;
  std::int64_t training_tokens = 0;           // In the data.
  std::int64_t tokens = 0;                    // Trained on, epochs counted again.
  double seconds = 0;                         // Wall time over all resumes.
  std::optional<double> tokens_per_second{};  // Of training steps alone; unknown without any.
  double checkpoint_seconds = 0;              // That training stood still for checkpoints.
  std::optional<double> training_loss{};      // Mean of the last steps (up to 20).
  std::optional<EvaluationPoint> first_evaluation{};  // Before the first step.
  std::optional<EvaluationPoint> last_evaluation{};
  std::optional<EvaluationPoint> best_evaluation{};  // Of the lowest loss.
  std::string dataset_sha256{};
  /// What each of data.sources gave; one named "training" without them.
  std::vector<SourceUse> sources{};
  std::string sample{};
  /// The most that was resident, of this and earlier calls: of all processes together, each at its
  /// own peak, and with several of the largest one. Unknown where the system does not tell.
  std::optional<std::int64_t> peak_resident_bytes{}, largest_process_bytes{};
  std::optional<std::int64_t> peak_device_bytes{};  // Of tensors on process 0's GPU.
  /// Of this and earlier calls together; unknown as soon as one part is.
  EnergyReading energy{};
  std::filesystem::path model_folder{};  // Empty when stopped.
};

/// A run file, by its text: what runs does not change when the file does.
struct RunFile {
  std::string config{};                                   // YAML.
  std::string config_name{};                              // In messages.
  std::optional<std::filesystem::path> base_directory{};  // Where its relative paths begin.
  std::optional<std::int64_t> processes{};                // Instead of parallel.processes; 1 to 64.
};

/// A training run, resumed when it began before.
struct TrainingJob {
  static constexpr char kKind[] = "train";
  using Outcome = TrainingSummary;
  RunFile file{};
  std::filesystem::path run_directory{};
};

/// How fast this computer's CPU is and what a training process holds, with the run's threads and
/// precision. Some seconds; nothing is trained.
struct MeasureJob {
  static constexpr char kKind[] = "measure";
  using Outcome = MeasuredFacts;
  RunFile file{};
};

}  // namespace panal::work
