// One training run, from a config to a model folder: tokens are prepared once, steps are taken,
// checkpoints are written whole, and the same call on the same directory goes on where the last one
// ended, bit for bit.
//
// The run directory:
//   config.json      the resolved config
//   identity.json    which run it is (recipe/run_identity.h); a resume as another one is refused
//   plan.json        how many steps, by every decision, and the thread count
//   tokenizer/       tokenizer.json and tokenizer_config.json
//   data/            training.tokens (or training-<source>.tokens), validation.tokens: token shards
//   checkpoints/     step_<n>/ with weights, optimizer state, counters and checksums; the ones
//                    the config keeps
//   model/           the result: a Hugging Face folder (kPretrain) or a PEFT folder (kLora)
//   metrics.jsonl, machines.json, summary.json, loss.svg, sample.txt
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "data/token_mixture.h"
#include "energy/meter.h"
#include "recipe/run_config.h"
#include "store/file_system.h"
#include "swarm/group.h"

namespace panal::train {

struct Progress {
  std::int64_t step = 0;   // Updates done.
  std::int64_t steps = 0;  // Planned.
  double loss = 0;         // Mean training loss of the step, nats per token.
  double learning_rate = 0;
  std::int64_t tokens = 0;       // Trained on so far, over all resumes.
  double tokens_per_second = 0;  // Of the last steps, evaluations and checkpoints left out.
  double seconds_left = 0;
};

/// Of one of evaluation.tasks, by the rules of train/choices.h.
struct TaskScore {
  std::string name;
  std::int64_t items = 0;
  double acc = 0;
  double acc_norm = 0;
  std::optional<double> acc_standard_error{};  // Unknown for a single item.
  std::optional<double> acc_norm_standard_error{};
};

struct EvaluationPoint {
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // Scored.
  double loss = 0;          // Nats per token.
  double perplexity = 0;
  std::optional<double> bits_per_byte{};
  std::vector<TaskScore> tasks{};  // One of each.
};
Json evaluation_to_json(const EvaluationPoint& point);

/// What a run tells while it runs, from the thread that called run(). Must not throw.
class RunEvents {
 public:
  virtual ~RunEvents() = default;
  virtual void on_message(std::string_view) {}
  virtual void on_progress(const Progress&) {}  // After every step.
  virtual void on_evaluation(const EvaluationPoint&) {}
  virtual void on_sample(std::string_view) {}
  virtual void on_checkpoint(std::int64_t /*step*/, const std::filesystem::path&) {}
};

enum class RunStatus {
  kCompleted,  // All planned steps done.
  kTimeLimit,  // max_seconds ended it early; the model is written, and a larger limit goes on from
               // here.
  kStopped,    // By the stop token; there is a checkpoint but no model folder yet.
};
/// "completed", "time_limit" or "stopped".
std::string_view run_status_name(RunStatus status);

struct TrainSummary {
  RunStatus status = RunStatus::kCompleted;
  recipe::RunKind kind = recipe::RunKind::kPretrain;
  std::string name;
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
  std::int64_t training_tokens = 0;                 // In the data.
  std::int64_t tokens = 0;                          // Trained on, epochs counted again.
  double seconds = 0;                               // Wall time over all resumes.
  double tokens_per_second = 0;                     // Of training steps alone.
  double checkpoint_seconds = 0;                    // That training stood still for checkpoints.
  double training_loss = 0;                         // Mean of the last steps (up to 20).
  std::optional<EvaluationPoint> first_evaluation;  // Before the first step.
  std::optional<EvaluationPoint> last_evaluation;
  std::optional<EvaluationPoint> best_evaluation;  // Of the lowest loss.
  std::string dataset_sha256;
  /// What each of data.sources gave; one named "training" without them.
  std::vector<data::SourceUse> sources;
  std::string sample;
  /// The most that was resident, of this and earlier calls: of all processes together, each at its
  /// own peak, and with several of the largest one. Empty where the system does not tell.
  std::optional<std::int64_t> peak_resident_bytes{}, largest_process_bytes{};
  std::optional<std::int64_t> peak_device_bytes{};  // Of tensors on process 0's GPU.
  /// Of this and earlier calls together; unknown as soon as one part is.
  energy::EnergyReading energy;
  std::filesystem::path model_folder;  // Empty when stopped.
};
Json summary_to_json(const TrainSummary& summary);

/// What a run borrows; a run of several processes runs in each of them, with the same config and a
/// group of config.parallel.processes ranks. Rank 0 alone writes and reports; on the others run()
/// returns a summary of no use when rank 0 has all it needs of them. Each must outlive it. Tests
/// put a faulty file system or a synthetic meter here.
struct RunEnvironment {
  store::FileSystem& files;
  Clock& clock;
  energy::Meter& meter;
  swarm::Group* group = nullptr;  // Null: one process.
};

/// Runs or resumes config.run_directory. Blocks for the whole run; `stop` is looked at between
/// steps, and a stopped run leaves a checkpoint. A finished run returns its summary again at once,
/// unless its limits have grown: then it goes on.
///
/// A disk that gets full after the start pauses the run (a message says what is missing), until
/// there is room again.
///
/// Errors   kInvalidArgument: config, data or model do not fit (data shorter than one window,
///          vocabulary mismatch, unknown target, ...). kNotFound: a path. kConflict: the directory
///          belongs to another config or other data (the field is named), has taken more steps than
///          limits.steps, or another process is using it.
///          kCorrupt: no checkpoint can be read. kResourceExhausted: no disk space before the first
///          step, or still none when `stop` or the time limit ended the pause; the last whole
///          checkpoint stays. kInternal: the run diverged, and config.stability
///          allows no further rollback or there is no good checkpoint.
Result<TrainSummary> run(const recipe::RunConfig& config, RunEvents& events, std::stop_token stop,
                         RunEnvironment environment);
/// With the machine's files and clock and the best energy meter there is.
Result<TrainSummary> run(const recipe::RunConfig& config, RunEvents& events,
                         std::stop_token stop = {}, swarm::Group* group = nullptr);

}  // namespace panal::train
