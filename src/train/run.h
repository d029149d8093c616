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
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "energy/meter.h"
#include "recipe/run_config.h"
#include "store/file_system.h"
#include "swarm/group.h"
#include "work/training.h"

namespace panal::train {

/// What a run tells while it runs, from the thread that called run(). Must not throw.
class RunEvents {
 public:
  virtual ~RunEvents() = default;
  virtual void on_message(std::string_view) {}
  virtual void on_progress(const work::TrainingProgress&) {}  // After every step.
  virtual void on_evaluation(const work::EvaluationPoint&) {}
  virtual void on_sample(std::string_view) {}
  virtual void on_checkpoint(std::int64_t /*step*/, const std::filesystem::path&) {}
};

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
Result<work::TrainingSummary> run(const recipe::RunConfig& config, RunEvents& events,
                                  std::stop_token stop, RunEnvironment environment);
/// With the machine's files and clock and the best energy meter there is.
Result<work::TrainingSummary> run(const recipe::RunConfig& config, RunEvents& events,
                                  std::stop_token stop = {}, swarm::Group* group = nullptr);

}  // namespace panal::train
