#include "train/detail/follower.h"

#include <utility>

#include "train/detail/opening.h"
#include "train/detail/planner.h"
#include "train/detail/position.h"

namespace panal::train::detail {
namespace {

// Obeys one order other than the end.
Status obey(Order order, const RunContext& context, Trainer& trainer, Position& position) {
  switch (order) {
    case Order::kStep:
      trainer.step(position.plan.schedule(context.config.schedule, position.step), position.step);
      ++position.step;
      return Status();
    case Order::kGather:
      trainer.gather_state();
      return Status();
    case Order::kAgree: {
      PANAL_ASSIGN(position, agree(context.ranks, trainer, position));
      return Status();
    }
    case Order::kAdoptPlan:
      return agree_on_plan(context.ranks, position.plan);
    case Order::kShowEvaluationPoint:
      trainer.show_evaluation_point(true);
      return Status();
    case Order::kShowTrainingPoint:
      trainer.show_evaluation_point(false);
      return Status();
    case Order::kTellPeak:
      return context.ranks.gather_peaks().status();
    case Order::kEnd:
      return Status();
  }
  return Status();
}

}  // namespace

Result<work::TrainingSummary> follow(const recipe::RunConfig& config, RunEvents& events,
                                     std::stop_token stop, RunEnvironment& environment) {
  const Ranks ranks(environment.group);
  const RunContext context{.config = config,
                           .events = events,
                           .stop = std::move(stop),
                           .environment = environment,
                           .ranks = ranks};
  const Spending spending(environment.clock, environment.meter);
  Pace pace(spending, config.limits.max_seconds);
  PANAL_TRY(ranks.meet());  // Rank 0 has made the data.
  PANAL_ASSIGN(const Corpus corpus, open_data(context));
  PANAL_ASSIGN(const auto trainer, open_trainer(context, corpus, std::nullopt));
  PANAL_ASSIGN(Position position, agree(ranks, *trainer, {}));
  if (!position.plan.is_decided()) {
    PANAL_ASSIGN(position.plan, decide_steps(context, pace, 0, *trainer));
  }
  while (true) {
    PANAL_ASSIGN(const Order next, ranks.next_order());
    if (next == Order::kEnd) break;
    PANAL_TRY(obey(next, context, *trainer, position));
  }
  work::TrainingSummary summary;
  summary.kind = recipe::run_kind_name(config.kind);
  summary.steps = position.step;
  return summary;
}

}  // namespace panal::train::detail
