#include "train/detail/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tensor/runtime.h"
#include "train/detail/position.h"

namespace panal::train::detail {
namespace {

// What a plan may be wrong by and stay: of what is left, and of all of it.
constexpr double kOfTheRest = 0.1;
constexpr double kOfAll = 0.05;

// Whether every step so far was taken as by a run that was told the new number from the start.
bool is_as_from_the_start(const StepPlan& plan, const recipe::RunConfig::Schedule& schedule,
                          std::int64_t steps_taken) {
  const StepPlan fresh(schedule, plan.steps());
  for (std::int64_t step = 0; step < steps_taken; ++step) {
    if (recipe::schedule_factor(plan.schedule(schedule, step), step) !=
        recipe::schedule_factor(fresh.schedule(schedule, step), step)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<StepPlan> decide_steps(const RunContext& context, Pace& pace, int num_evaluations,
                              Trainer& trainer) {
  const auto& limits = context.config.limits;
  std::int64_t steps = limits.steps.value_or(0);
  if (steps == 0) {
    const double step_seconds = trainer.measured_step_seconds(context.environment.clock);
    pace.note_step(step_seconds);
    steps = pace.steps_that_fit(step_seconds, num_evaluations);
    // Clocks and evaluations are each rank's own, the schedule is not.
    PANAL_TRY(context.ranks.adopt_number(steps));
    context.events.on_message(fmt::format("{} steps of {:.2f} s fit into {:.0f} s", steps,
                                          step_seconds, *limits.max_seconds));
  }
  return StepPlan(context.config.schedule, steps);
}

Status Planner::open() {
  PANAL_ASSIGN(const auto earlier, read_plan(context_.at("plan.json")));
  has_begun_ = earlier.has_value();
  if (has_begun_) plan_ = *earlier;
  return Status();
}

std::optional<std::int64_t> Planner::threads() const {
  return has_begun_ ? std::optional(plan_.threads) : std::nullopt;
}

Status Planner::begin(const Counters& counters, int num_evaluations, Trainer& trainer) {
  num_evaluations_ = num_evaluations;
  const std::optional<Plan> earlier = has_begun_ ? std::optional(plan_) : std::nullopt;
  PANAL_TRY(follow_limits(counters));
  PANAL_TRY(agree(context_.ranks, trainer, {.step = counters.step, .plan = plan_.steps}).status());
  if (!plan_.steps.is_decided()) {
    PANAL_ASSIGN(plan_.steps, decide_steps(context_, pace_, num_evaluations_, trainer));
  }
  const auto& limits = context_.config.limits;
  plan_.for_seconds = limits.steps ? std::nullopt : limits.max_seconds;
  plan_.threads = tensor::num_threads();
  if (plan_ == earlier) return Status();
  return write_plan(context_.environment.files, context_.at("plan.json"), plan_);
}

Status Planner::follow_limits(const Counters& counters) {
  if (!plan_.steps.is_decided()) return Status();
  const auto& limits = context_.config.limits;
  const std::int64_t before = plan_.steps.steps();
  if (limits.steps ? *limits.steps == before : plan_.for_seconds == limits.max_seconds) {
    return Status();
  }
  if (counters.step == 0) {  // Nothing was taken by it.
    plan_.steps = StepPlan();
    return Status();
  }
  if (limits.steps && *limits.steps < counters.step) {
    return Status(
        Code::kConflict,
        fmt::format(
            "limits.steps was {} and is now {}, but the run in {} has taken {} "
            "steps and cannot go back; give at least as many, or begin a new run with --new",
            before, *limits.steps, context_.config.run_directory.string(), counters.step));
  }
  const double step_seconds = counters.training_seconds / static_cast<double>(counters.step);
  plan_.steps.decide(counters.step, limits.steps
                                        ? *limits.steps
                                        : counters.step + pace_.steps_that_fit(step_seconds, 1));
  context_.events.on_message(fmt::format(
      "planned anew at step {}: {} steps in all, not {}; {}", counters.step, plan_.steps.steps(),
      before,
      is_as_from_the_start(plan_.steps, context_.config.schedule, counters.step)
          ? "the steps so far are those of a run planned for as many from the start"
          : "the learning rate follows the new plan from here on, so the result is another than "
            "that of a run planned for as many from the start"));
  return Status();
}

Status Planner::adjust(std::int64_t step) {
  const auto& schedule = context_.config.schedule;
  if (!plan_.for_seconds || pace_.num_steps() < 2 || step <= plan_.steps.decided_from() ||
      plan_.steps.rate_depends_on_it(schedule, step)) {
    return Status();
  }
  const std::int64_t before = plan_.steps.steps();
  const auto left = static_cast<double>(std::max<std::int64_t>(0, before - step));
  const int evaluations = static_cast<int>(
      std::ceil(num_evaluations_ * std::clamp(left / static_cast<double>(before), 0.0, 1.0)));
  const std::int64_t steps =
      step + pace_.steps_that_fit(pace_.step_seconds(), std::max(1, evaluations));
  const double is_off_by = static_cast<double>(std::abs(steps - before));
  if (is_off_by <= std::max(kOfTheRest * left, kOfAll * static_cast<double>(before))) {
    return Status();
  }
  plan_.steps.decide(step, steps);
  context_.events.on_message(
      fmt::format("planned anew at step {}, where a step takes {:.2f} s: {} "
                  "steps in all, not {}",
                  step, pace_.step_seconds(), steps, before));
  PANAL_TRY(patience_.keep_trying(
      [this] { return write_plan(context_.environment.files, context_.at("plan.json"), plan_); }));
  PANAL_TRY(context_.ranks.order(Order::kAdoptPlan));
  return agree_on_plan(context_.ranks, plan_.steps);
}

}  // namespace panal::train::detail
