#include "train/detail/step_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace panal::train::detail {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;
constexpr std::size_t kMostDecisions = 100'000;
constexpr double kSameRate = 0.02;  // Of the peak: less than the noise of a step.

recipe::Schedule schedule_over(const recipe::RunConfig::Schedule& schedule, std::int64_t steps,
                               std::int64_t warmup_steps) {
  return {.shape = schedule.shape,
          .total_steps = steps,
          .warmup_steps = std::min(warmup_steps, steps),
          .final_fraction = schedule.final_fraction,
          .decay_fraction = schedule.decay_fraction};
}

}  // namespace

StepPlan::StepPlan(const recipe::RunConfig::Schedule& schedule, std::int64_t steps)
    : warmup_steps_(schedule.warmup_steps.value_or(static_cast<std::int64_t>(
          std::llround(schedule.warmup_fraction * static_cast<double>(steps))))),
      decisions_{{.from_step = 0, .steps = steps}} {}

void StepPlan::decide(std::int64_t from_step, std::int64_t steps) {
  PANAL_CHECK(is_decided() && from_step >= 0 && steps > 0, "a plan is changed after it was made");
  std::erase_if(decisions_, [&](const Decision& decision) {
    return decision.from_step >= from_step && decision.from_step > 0;
  });
  if (from_step == 0) decisions_.clear();
  decisions_.push_back({.from_step = from_step, .steps = steps});
}

std::int64_t StepPlan::decided_from() const {
  return decisions_.empty() ? 0 : decisions_.back().from_step;
}

recipe::Schedule StepPlan::schedule(const recipe::RunConfig::Schedule& schedule,
                                    std::int64_t step) const {
  PANAL_CHECK(is_decided(), "a step is taken by a plan");
  const auto after = std::ranges::upper_bound(decisions_, step, {}, &Decision::from_step);
  const Decision& decision = after == decisions_.begin() ? *after : *(after - 1);
  return schedule_over(schedule, decision.steps, warmup_steps_);
}

bool StepPlan::rate_depends_on_it(const recipe::RunConfig::Schedule& of_config,
                                  std::int64_t step) const {
  const recipe::Schedule now = schedule(of_config, step);
  return step >= now.warmup_steps && recipe::schedule_factor(now, step) < 1 - kSameRate;
}

Json StepPlan::to_json() const {
  Json json = {{"steps", steps()}, {"warmup_steps", warmup_steps_}, {"decisions", Json::array()}};
  for (const Decision& decision : decisions_) {
    json["decisions"].push_back({{"from_step", decision.from_step}, {"steps", decision.steps}});
  }
  return json;
}

Result<StepPlan> StepPlan::from_json(const Json& json, std::string_view where) {
  StepPlan plan;
  PANAL_ASSIGN(plan.warmup_steps_, json_integer(json, "warmup_steps", where, 0, kMost));
  if (!json_has(json, "decisions") || !json["decisions"].is_array() ||
      json["decisions"].size() > kMostDecisions) {
    return Status(Code::kCorrupt, fmt::format("{}: decisions must be a list", where));
  }
  std::int64_t least = 0;
  for (const Json& entry : json["decisions"]) {
    Decision decision;
    const std::int64_t most = plan.decisions_.empty() ? 0 : kMost;  // The first is from step 0.
    PANAL_ASSIGN(decision.from_step, json_integer(entry, "from_step", where, least, most));
    PANAL_ASSIGN(decision.steps, json_integer(entry, "steps", where, 1, kMost));
    plan.decisions_.push_back(decision);
    least = decision.from_step + 1;
  }
  return plan;
}

}  // namespace panal::train::detail
