// The steps of a run, as rank 0 takes them: train, look at what each step says, evaluate and save
// when it is time, and go back when the run has diverged.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "train/detail/checkpoints.h"
#include "train/detail/evaluator.h"
#include "train/detail/logbook.h"
#include "train/detail/pace.h"
#include "train/detail/planner.h"
#include "train/detail/run_context.h"
#include "train/detail/stability.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

class StepLoop {
 public:
  /// What it drives. All of them outlive it.
  struct Parts {
    Trainer& trainer;
    const Evaluator& evaluator;
    Checkpoints& checkpoints;
    Logbook& logbook;
    Stability& stability;
    const Spending& spending;
    Pace& pace;
    Planner& planner;
    Counters& counters;
  };
  StepLoop(const RunContext& context, Parts parts) : context_(context), parts_(parts) {}

  /// Takes the planned steps, or those until the time is over or somebody stops the run.
  Result<work::RunStatus> run();
  /// Scores the weights as they are, where there is validation text, and takes note of it. Errors:
  /// kCancelled when stopped meanwhile.
  Status evaluate();
  /// Writes a checkpoint of this step, beside what follows.
  Status save();

 private:
  bool evaluation_is_due() const {
    return parts_.evaluator.is_due(parts_.counters.step, parts_.planner.steps());
  }
  Result<bool> evaluate_what_is_left();  // False: stopped.
  Status take_step();
  /// The data that led there is not seen again: weights, optimizer and schedule go back, the
  /// position in the data stays.
  ///
  /// Source   Chowdhery et al., "PaLM", 2022, section 5.1: restart before a spike, and skip the
  ///          batches around it.
  Status roll_back(const std::string& why);

  const RunContext& context_;
  const Parts parts_;
};

}  // namespace panal::train::detail
