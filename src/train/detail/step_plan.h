// How many steps a run takes. The learning rate follows from the number, and the number may be
// decided anew: steps that were taken keep the one they were taken under, so a run that goes on
// from an earlier checkpoint takes them again as they were.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "recipe/run_config.h"
#include "recipe/schedule.h"

namespace panal::train::detail {

class StepPlan {
 public:
  /// Not decided yet.
  StepPlan() = default;
  /// Before the first step. The warm-up is what the config's schedule has for so many steps, and
  /// stays.
  StepPlan(const recipe::RunConfig::Schedule& schedule, std::int64_t steps);

  bool is_decided() const { return !decisions_.empty(); }
  /// By the last decision; 0 before there is one.
  std::int64_t steps() const { return decisions_.empty() ? 0 : decisions_.back().steps; }
  /// From this step on (counted from 0) there are so many in all. Later decisions are forgotten.
  void decide(std::int64_t from_step, std::int64_t steps);
  /// Of the last decision: 0 for that before the first step.
  std::int64_t decided_from() const;

  /// What update `step` is taken by.
  recipe::Schedule schedule(const recipe::RunConfig::Schedule& schedule, std::int64_t step) const;
  /// Whether another number of steps would give update `step` another learning rate by more than
  /// a fiftieth of its peak: after warm-up, once the decay has begun.
  bool rate_depends_on_it(const recipe::RunConfig::Schedule& schedule, std::int64_t step) const;

  Json to_json() const;
  /// Untrusted. Errors: kCorrupt or kInvalidArgument naming `where` and the field.
  static Result<StepPlan> from_json(const Json& json, std::string_view where);
  bool operator==(const StepPlan&) const = default;

 private:
  struct Decision {
    std::int64_t from_step = 0;
    std::int64_t steps = 0;
    bool operator==(const Decision&) const = default;
  };

  std::int64_t warmup_steps_ = 0;
  std::vector<Decision> decisions_;  // By ascending from_step; the first from step 0.
};

}  // namespace panal::train::detail
