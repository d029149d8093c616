// One call of run() on rank 0: opens or resumes the directory, takes the steps, ends. It puts the
// parts together and holds nothing else; all that must survive it is in Counters and Plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "recipe/run_identity.h"
#include "train/detail/checkpoints.h"
#include "train/detail/corpus.h"
#include "train/detail/evaluator.h"
#include "train/detail/logbook.h"
#include "train/detail/pace.h"
#include "train/detail/planner.h"
#include "train/detail/spending.h"
#include "train/detail/stability.h"
#include "train/detail/step_loop.h"
#include "train/detail/trainer.h"
#include "train/run.h"

namespace panal::train::detail {

class Session {
 public:
  /// All references outlive it.
  Session(const recipe::RunConfig& config, RunEvents& events, std::stop_token stop,
          RunEnvironment& environment);
  Result<work::TrainingSummary> run();

 private:
  // In the order of a run. Each leaves what the next one needs.
  Status open_corpus_and_trainer();
  Status check_unchanged();
  Status restore();
  Status begin();
  Status make_plan();
  Result<work::TrainingSummary> finish(work::RunStatus status);

  /// What a call leaves that was stopped: a checkpoint, if it came that far, and no model.
  Result<work::TrainingSummary> leave();
  work::TrainingSummary summary_of(work::RunStatus status) const;
  StepLoop steps();

  Ranks ranks_;
  const RunContext context_;
  Spending spending_;
  Pace pace_;
  DiskPatience patience_;
  Stability stability_;
  Checkpoints checkpoints_;
  Logbook logbook_;
  Counters counters_;
  Planner planner_;
  recipe::RunIdentity identity_;  // From here on set by the parts of run().
  std::optional<Corpus> corpus_;
  std::optional<Evaluator> evaluator_;
  std::unique_ptr<Trainer> trainer_;
  std::int64_t resumed_from_step_ = -1;
};

}  // namespace panal::train::detail
