// How many steps a run takes: decided before the first one, by the config or by what fits into its
// time, and again when the config's limits have changed, or while a time limit turns out to hold
// more or less than was measured and no learning rate depends on the number yet.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "train/detail/counters.h"
#include "train/detail/pace.h"
#include "train/detail/run_context.h"
#include "train/detail/run_files.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

/// The config's steps, or those that fit beside so many evaluations into its time, by measuring
/// some. On all ranks, whose plan is then equal.
Result<StepPlan> decide_steps(const RunContext& context, Pace& pace, int num_evaluations,
                              Trainer& trainer);

/// Rank 0's. Every decision is in plan.json before a step is taken by it.
class Planner {
 public:
  /// All of them outlive it.
  Planner(const RunContext& context, Pace& pace, DiskPatience& patience)
      : context_(context), pace_(pace), patience_(patience) {}

  /// Reads what earlier calls decided. Errors: kCorrupt.
  Status open();
  /// Of earlier calls; empty: there were none.
  std::optional<std::int64_t> threads() const;

  /// What the first step of this call is taken by, agreed on by all ranks. Says so when limits have
  /// changed since the last decision. Errors: kConflict when they are fewer steps than were taken.
  Status begin(const Counters& counters, int num_evaluations, Trainer& trainer);
  /// After a step: decides again where time is the only limit and it is not too late.
  Status adjust(std::int64_t step);

  std::int64_t steps() const { return plan_.steps.steps(); }
  const StepPlan& step_plan() const { return plan_.steps; }
  recipe::Schedule schedule(std::int64_t step) const {
    return plan_.steps.schedule(context_.config.schedule, step);
  }

 private:
  Status follow_limits(const Counters& counters);

  const RunContext& context_;
  Pace& pace_;
  DiskPatience& patience_;
  int num_evaluations_ = 0;  // From the first step to the last.
  bool has_begun_ = false;   // In an earlier call.
  Plan plan_;
};

}  // namespace panal::train::detail
