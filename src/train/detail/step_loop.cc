#include "train/detail/step_loop.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "train/detail/data_parallel.h"
#include "train/detail/position.h"

namespace panal::train::detail {
namespace {

void count_step(const StepResult& result, double step_seconds, Counters& counters) {
  ++counters.step;
  counters.tokens += result.tokens;
  counters.training_seconds += step_seconds;
  if (!std::isfinite(result.loss)) return;
  counters.recent_losses.push_back(result.loss);
  if (counters.recent_losses.size() > kRecentLosses) counters.recent_losses.pop_front();
}

// What has happened stays counted when the run goes back to a checkpoint.
void keep_history(const Counters& before, Counters& counters) {
  counters.tokens = before.tokens;
  counters.skipped_steps = before.skipped_steps;
  counters.outlier_steps = before.outlier_steps;
  counters.rollbacks = before.rollbacks + 1;
  counters.training_seconds = before.training_seconds;
  counters.checkpoint_seconds = before.checkpoint_seconds;
}

}  // namespace

Result<work::RunStatus> StepLoop::run() {
  PANAL_ASSIGN(const bool has_scored, evaluate_what_is_left());
  if (!has_scored) return work::RunStatus::kStopped;
  const Counters& counters = parts_.counters;
  while (counters.step < parts_.planner.steps()) {
    if (context_.stop.stop_requested()) return work::RunStatus::kStopped;
    // One step is always taken, so that the smallest limit still gives a model.
    if (counters.step > 0 && parts_.pace.time_is_over()) return work::RunStatus::kTimeLimit;
    const std::int64_t step_before = counters.step;
    PANAL_TRY(take_step());
    // Gone back: what is due at that step has been done.
    if (counters.step <= step_before) continue;
    PANAL_TRY(parts_.checkpoints.collect(false));
    PANAL_TRY(parts_.planner.adjust(counters.step));
    if (evaluation_is_due()) {
      const Status status = evaluate();
      if (status.code() == Code::kCancelled) return work::RunStatus::kStopped;
      PANAL_TRY(status);
    }
    if (counters.step < parts_.planner.steps() && parts_.checkpoints.is_due(counters.step)) {
      PANAL_TRY(save());
    }
  }
  return work::RunStatus::kCompleted;
}

// A call that was asked to stop when an evaluation was due has left a checkpoint and not scored it.
Result<bool> StepLoop::evaluate_what_is_left() {
  const Counters& counters = parts_.counters;
  const auto& last = counters.last_evaluation;
  if (counters.step == 0 || !evaluation_is_due() || (last && last->step == counters.step)) {
    return true;
  }
  const Status status = evaluate();
  if (status.code() == Code::kCancelled) return false;
  PANAL_TRY(status);
  parts_.checkpoints.forget_best();  // The checkpoint this call began from has these weights.
  return true;
}

Status StepLoop::take_step() {
  Trainer& trainer = parts_.trainer;
  Counters& counters = parts_.counters;
  PANAL_TRY(context_.ranks.order(Order::kStep));
  trainer.release_whole();
  const Clock& clock = context_.environment.clock;
  const Nanoseconds begin = clock.steady_now();
  const recipe::Schedule schedule = parts_.planner.schedule(counters.step);
  const bool is_warm = counters.step >= schedule.warmup_steps;
  const StepResult result = trainer.step(schedule, counters.step, parts_.stability.bounds(is_warm));
  const double taken = seconds(clock.steady_now() - begin);
  const std::string diverged = parts_.stability.judge(result, is_warm, counters);
  count_step(result, taken, counters);
  parts_.pace.note_step(taken);
  PANAL_TRY(parts_.logbook.note_step(result, taken, counters));
  context_.events.on_progress(
      {.step = counters.step,
       .steps = parts_.planner.steps(),
       .loss = result.loss,
       .learning_rate = result.learning_rate,
       .tokens = counters.tokens,
       .tokens_per_s =
           parts_.pace.steps_per_second() * static_cast<double>(trainer.tokens_per_step()),
       .seconds_left = parts_.pace.seconds_left(parts_.planner.steps() - counters.step)});
  return diverged.empty() ? Status() : roll_back(diverged);
}

Status StepLoop::roll_back(const std::string& why) {
  Counters& counters = parts_.counters;
  PANAL_TRY(parts_.checkpoints.collect(true));
  const auto ended = [&](const std::string& reason) {
    return Status(Code::kInternal,
                  fmt::format("training diverged at step {}: {}; {}; a lower learning rate may "
                              "help, and the checkpoints in {} are kept",
                              counters.step, why, reason, context_.at("checkpoints").string()));
  };
  if (counters.rollbacks >= context_.config.stability.rollbacks) {
    return ended(fmt::format("it went back to a checkpoint {} times already", counters.rollbacks));
  }
  PANAL_ASSIGN(std::optional<Counters> good,
               parts_.checkpoints.restore_good(parts_.trainer, parts_.stability));
  if (!good) return ended("there is no good checkpoint to go back to");
  const Counters before = std::exchange(counters, std::move(*good));
  keep_history(before, counters);
  PANAL_TRY(context_.ranks.order(Order::kAgree));
  PANAL_TRY(agree(context_.ranks, parts_.trainer,
                  {.step = counters.step, .plan = parts_.planner.step_plan()})
                .status());
  return parts_.logbook.note_roll_back(before.step, why, counters);
}

Status StepLoop::evaluate() {
  if (!parts_.evaluator.has_text()) return Status();
  Counters& counters = parts_.counters;
  const Clock& clock = context_.environment.clock;
  const Nanoseconds begin = clock.steady_now();
  work::EvaluationPoint point;
  PANAL_TRY(at_evaluation_point(context_.ranks, parts_.trainer, counters.step, [&]() -> Status {
    PANAL_ASSIGN(point,
                 parts_.evaluator.score(parts_.trainer.decoder(), counters.step, context_.stop));
    return Status();
  }));
  parts_.pace.note_evaluation(seconds(clock.steady_now() - begin));
  if (std::isfinite(point.loss)) {
    if (!counters.first_evaluation) counters.first_evaluation = point;
    counters.last_evaluation = point;
    if (!counters.best_evaluation || point.loss < counters.best_evaluation->loss) {
      counters.best_evaluation = point;
      if (context_.config.checkpoint.keep_best && point.step > 0) parts_.checkpoints.note_best();
    }
  }
  return parts_.logbook.note_evaluation(point);
}

Status StepLoop::save() {
  Trainer& trainer = parts_.trainer;
  Counters& counters = parts_.counters;
  const Clock& clock = context_.environment.clock;
  const Nanoseconds begin = clock.steady_now();
  PANAL_TRY(parts_.checkpoints.collect(true));
  PANAL_TRY(context_.ranks.order(Order::kGather));
  trainer.gather_state();
  const SignOfLife busy(context_.ranks.group());
  PANAL_TRY(parts_.logbook.sync());
  counters.seconds = parts_.spending.seconds();
  counters.energy = parts_.spending.energy();
  counters.stream = trainer.stream().state();
  counters.outliers = parts_.stability.state();
  PANAL_TRY(parts_.checkpoints.write(counters, trainer));
  counters.checkpoint_seconds += seconds(clock.steady_now() - begin);
  return Status();
}

}  // namespace panal::train::detail
