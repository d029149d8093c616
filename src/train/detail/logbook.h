// What a run tells of itself: to whoever listens, line by line in metrics.jsonl, the machines it
// ran on, and at the end its curves and summary. Only rank 0 keeps one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "train/detail/counters.h"
#include "train/detail/journal.h"
#include "train/detail/machine_log.h"
#include "train/detail/run_context.h"
#include "train/detail/spending.h"
#include "train/detail/step_result.h"

namespace panal::train::detail {

class Logbook {
 public:
  /// All of them outlive it.
  Logbook(const RunContext& context, DiskPatience& patience, const Spending& spending)
      : context_(context), patience_(patience), spending_(spending) {}

  /// Opens the files for a call that goes on from a checkpoint; `resumed_from_step` -1: it begins
  /// the run. Before that only message-like calls and write_summary() work.
  Status open(const Counters& counters, std::int64_t resumed_from_step,
              const model::Decoder& decoder);

  /// After `counters` took the step in.
  Status note_step(const StepResult& result, double step_seconds, const Counters& counters);
  Status note_evaluation(const work::EvaluationPoint& point);
  /// Drops the lines of steps gone back over, and notes why.
  Status note_roll_back(std::int64_t from_step, const std::string& why, const Counters& counters);
  /// Lines so far survive a power cut.
  Status sync();
  /// Writes a file of the run directory whole.
  Status write_file(std::string_view name, std::string_view text);
  /// Completes the summary by what the machines held, and writes the curves and it: the last of all
  /// files, because it says that the rest is there.
  Result<work::TrainingSummary> write_summary(work::TrainingSummary summary);

 private:
  Status add(const Json& line);  // In metrics.jsonl.

  const RunContext& context_;
  DiskPatience& patience_;
  const Spending& spending_;
  std::optional<Journal> journal_;
  std::optional<MachineLog> machines_;
};

}  // namespace panal::train::detail
