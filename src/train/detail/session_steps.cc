// The middle of a session: steps, evaluations and checkpoints, and the decisions when each is due.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluate/choices.h"
#include "evaluate/evaluate.h"
#include "tensor/device.h"
#include "train/detail/session.h"

namespace panal::train::detail {
namespace {

constexpr double kEndingSeconds = 1.0;  // Writing checkpoint, model and sample.

}  // namespace

double Session::elapsed() const {
  return earlier_seconds_ + seconds(environment_.clock.steady_now() - started_);
}

double Session::tokens_per_second() const {
  if (step_seconds_ <= 0) return 0;
  return static_cast<double>(trainer_->tokens_per_step()) / step_seconds_;
}

bool Session::time_is_over() const {
  if (!config_.limits.max_seconds) return false;
  return elapsed() + step_seconds_ + evaluation_seconds_ + kEndingSeconds >
         *config_.limits.max_seconds;
}

bool Session::evaluation_is_due() const {
  if (validation_tokens_.empty() || counters_.step >= plan_->steps) return false;
  if (config_.evaluation.every_steps > 0) {
    return counters_.step % config_.evaluation.every_steps == 0;
  }
  if (config_.kind == recipe::RunKind::kLora) return false;
  return counters_.step % std::max<std::int64_t>(1, (plan_->steps + 4) / 5) == 0;
}

bool Session::checkpoint_is_due() const {
  if (counters_.step >= plan_->steps) return false;  // run() writes the last one.
  const auto& when = config_.checkpoint;
  // By steps every checkpoint is made, if need be after waiting for the one before it; by time it
  // may as well be made a little later.
  if (when.every_steps > 0 && counters_.step % when.every_steps == 0) return true;
  if (best_is_unsaved_) return true;
  return !writer_.is_busy() && when.every_seconds > 0 &&
         seconds(environment_.clock.steady_now() - last_save_) >= when.every_seconds;
}

// A call that was asked to stop when an evaluation was due has left a checkpoint and not scored it.
Result<bool> Session::evaluate_what_is_left() {
  const auto& last = counters_.last_evaluation;
  if (counters_.step == 0 || !evaluation_is_due() || (last && last->step == counters_.step))
    return true;
  const Status status = evaluate_now();
  if (status.code() == Code::kCancelled) return false;
  PANAL_TRY(status);
  best_is_unsaved_ = false;  // The checkpoint this call began from has these weights.
  return true;
}

Result<RunStatus> Session::train() {
  PANAL_ASSIGN(const bool has_scored, evaluate_what_is_left());
  if (!has_scored) return RunStatus::kStopped;
  while (counters_.step < plan_->steps) {
    if (stop_.stop_requested()) return RunStatus::kStopped;
    // One step is always taken, so that the smallest limit still gives a model.
    if (counters_.step > 0 && time_is_over()) return RunStatus::kTimeLimit;
    const std::int64_t step_before = counters_.step;
    PANAL_TRY(take_step());
    // Gone back: what is due at that step has been done.
    if (counters_.step <= step_before) continue;
    PANAL_TRY(collect_checkpoint(false));
    if (evaluation_is_due()) {
      const Status status = evaluate_now();
      if (status.code() == Code::kCancelled) return RunStatus::kStopped;
      PANAL_TRY(status);
    }
    if (checkpoint_is_due()) PANAL_TRY(save());
  }
  return RunStatus::kCompleted;
}

Status Session::take_step() {
  PANAL_TRY(order(Order::kStep));
  trainer_->release_whole();
  const Nanoseconds begin = environment_.clock.steady_now();
  const recipe::Schedule schedule = schedule_of(config_, plan_->steps);
  const bool is_warm = counters_.step >= schedule.warmup_steps;
  const StepResult result = trainer_->step(
      schedule, counters_.step, is_warm && config_.stability.skip_outliers ? &outliers_ : nullptr);
  const double taken = seconds(environment_.clock.steady_now() - begin);
  const std::string diverged = judge_run(result, is_warm);
  ++counters_.step;
  counters_.tokens += result.tokens;
  counters_.training_seconds += taken;
  step_seconds_ = step_seconds_ == 0 ? taken : 0.9 * step_seconds_ + 0.1 * taken;
  PANAL_TRY(note_step(result, taken));
  PANAL_TRY(
      patience_.keep_trying([&] { return machines_->after_step(elapsed() - earlier_seconds_); }));
  return diverged.empty() ? Status() : roll_back(diverged);
}

Status Session::note_step(const StepResult& result, double step_seconds) {
  Json line = {{"step", counters_.step},
               {"loss", nullptr},
               {"learning_rate", result.learning_rate},
               {"gradient_norm", nullptr},
               {"tokens", counters_.tokens},
               {"seconds", step_seconds}};
  if (std::isfinite(result.gradient_norm)) line["gradient_norm"] = result.gradient_norm;
  if (std::isfinite(result.loss)) {
    line["loss"] = result.loss;
    counters_.recent_losses.push_back(result.loss);
    if (counters_.recent_losses.size() > kRecentLosses) counters_.recent_losses.pop_front();
  }
  if (result.clipped_heads > 0) line["qk_clipped"] = result.clipped_heads;
  if (result.was_skipped) {
    line["skipped"] = true;
    line["why"] = verdict_name(result.verdict);
    events_.on_message(fmt::format(
        "step {} left the weights as they are ({}): loss {}, gradient norm {}", counters_.step,
        verdict_name(result.verdict), result.loss, result.gradient_norm));
  }
  double left = static_cast<double>(plan_->steps - counters_.step) * step_seconds_;
  if (config_.limits.max_seconds) left = std::min(left, *config_.limits.max_seconds - elapsed());
  events_.on_progress({.step = counters_.step,
                       .steps = plan_->steps,
                       .loss = result.loss,
                       .learning_rate = result.learning_rate,
                       .tokens = counters_.tokens,
                       .tokens_per_second = tokens_per_second(),
                       .seconds_left = std::max(0.0, left)});
  return note_line(line);
}

Status Session::note_line(const Json& line) {
  journal_->add(line);
  return patience_.keep_trying([this] { return journal_->flush(); });
}

Result<EvaluationPoint> Session::scored_point() const {
  const model::Decoder& decoder = trainer_->decoder();
  PANAL_ASSIGN(const evaluate::Evaluation found,
               evaluate::evaluate(
                   decoder, validation_tokens_,
                   {.context = std::min(config_.batch.context, decoder.config().context_length),
                    .batch = config_.batch.sequences,
                    .tokenizer = &corpus_->tokenizer,
                    .stop = stop_}));
  EvaluationPoint point{.step = counters_.step,
                        .tokens = found.tokens,
                        .loss = found.loss,
                        .perplexity = found.perplexity,
                        .bits_per_byte = found.bits_per_byte,
                        .tasks = {}};
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    const auto& task = config_.evaluation.tasks[i];
    PANAL_ASSIGN(const auto scores,
                 evaluate::score_choices(decoder, corpus_->tokenizer, tasks_[i],
                                         {.where = task.path.string(), .stop = stop_}));
    const evaluate::ChoiceSummary summary = evaluate::summarise_choices(tasks_[i], scores);
    const auto known = [](double error) {
      return std::isfinite(error) ? std::optional(error) : std::nullopt;
    };
    point.tasks.push_back({.name = task.name,
                           .items = summary.items,
                           .acc = summary.acc.mean,
                           .acc_norm = summary.acc_norm.mean,
                           .acc_standard_error = known(summary.acc.standard_error),
                           .acc_norm_standard_error = known(summary.acc_norm.standard_error)});
  }
  return point;
}

Status Session::evaluate_now() {
  if (validation_tokens_.empty()) return Status();
  const Nanoseconds begin = environment_.clock.steady_now();
  EvaluationPoint point;
  PANAL_TRY(at_evaluation_point([&]() -> Status {
    PANAL_ASSIGN(point, scored_point());
    return Status();
  }));
  evaluation_seconds_ = seconds(environment_.clock.steady_now() - begin);
  if (!std::isfinite(point.loss)) {
    events_.on_message(fmt::format("the validation loss at step {} is not finite", point.step));
    return Status();
  }
  if (!counters_.first_evaluation) counters_.first_evaluation = point;
  counters_.last_evaluation = point;
  if (!counters_.best_evaluation || point.loss < counters_.best_evaluation->loss) {
    counters_.best_evaluation = point;
    best_is_unsaved_ = config_.checkpoint.keep_best && point.step > 0;
  }
  events_.on_evaluation(point);
  Json line = {{"step", point.step},
               {"validation_loss", point.loss},
               {"perplexity", point.perplexity},
               {"validation_tokens", point.tokens}};
  const Json all = evaluation_to_json(point);
  for (const char* key : {"bits_per_byte", "tasks"}) {
    if (json_has(all, key)) line[key] = all.at(key);
  }
  return note_line(line);
}

// Training stands still for the copy only; where memory is short (`asynchronous: false`) nothing is
// copied and it stands still until the disk has everything.
Status Session::save() {
  const Nanoseconds begin = environment_.clock.steady_now();
  PANAL_TRY(collect_checkpoint(true));
  PANAL_TRY(order(Order::kGather));
  trainer_->gather_state();
  const SignOfLife busy(environment_.group);
  PANAL_TRY(patience_.keep_trying([this] { return journal_->sync(); }));
  counters_.seconds = elapsed();
  counters_.energy = energy_so_far();
  counters_.stream = trainer_->stream().state();
  counters_.outliers = outliers_.state();
  tensor::finish_work(device_);  // The writer's thread has a stream of its own.
  const auto& checkpoint = config_.checkpoint;
  const auto take = checkpoint.asynchronous ? copy_state : borrow_state;
  take(counters_, trainer_->trainable(), trainer_->whole_optimizer(), snapshot_);
  writer_.start(snapshot_, policy());
  last_save_ = environment_.clock.steady_now();
  best_is_unsaved_ = false;
  if (!checkpoint.asynchronous) PANAL_TRY(collect_checkpoint(true));
  counters_.checkpoint_seconds += seconds(environment_.clock.steady_now() - begin);
  return Status();
}

CheckpointPolicy Session::policy() const {
  const auto& checkpoint = config_.checkpoint;
  CheckpointPolicy policy{.good_step = newest_good_step(),
                          .keep = checkpoint.keep,
                          .keep_every_steps = checkpoint.keep_every_steps,
                          .verifies = checkpoint.verify};
  if (checkpoint.keep_best && counters_.best_evaluation) {
    policy.best_step = counters_.best_evaluation->step;
  }
  return policy;
}

Status Session::collect_checkpoint(bool waits) {
  const SignOfLife busy(waits ? environment_.group : nullptr);
  auto outcome = waits ? writer_.wait() : writer_.poll();
  if (!outcome) return Status();
  // The snapshot is still what it was, so a write that found no room can be repeated from it.
  const Status written = patience_.keep_trying([&]() -> Status {
    if (!outcome) {
      writer_.start(snapshot_, policy());
      outcome = writer_.wait();
    }
    const Status status = outcome->status();
    if (!status.ok()) outcome.reset();
    return status;
  });
  PANAL_TRY(written);
  saved_step_ = snapshot_.counters.step;
  events_.on_checkpoint(saved_step_, **outcome);
  return Status();
}

}  // namespace panal::train::detail
