#include "train/detail/planning.h"

#include <fmt/format.h>

#include "tensor/runtime.h"

namespace panal::train::detail {

Status decide_steps(const RunContext& context, const Pace& pace, int num_evaluations,
                    Trainer& trainer, Plan& plan) {
  const auto& limits = context.config.limits;
  plan.threads = tensor::num_threads();
  plan.steps = limits.steps.value_or(0);
  if (plan.steps > 0) return Status();
  const double step_seconds = trainer.measured_step_seconds(context.environment.clock);
  plan.steps = pace.steps_that_fit(step_seconds, num_evaluations);
  // Clocks and evaluations are each rank's own, the schedule is not.
  PANAL_TRY(context.ranks.adopt_number(plan.steps));
  context.events.on_message(fmt::format("{} steps of {:.2f} s fit into {:.0f} s", plan.steps,
                                        step_seconds, *limits.max_seconds));
  return Status();
}

}  // namespace panal::train::detail
