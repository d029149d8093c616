// When a run goes wrong: what its steps say about it, and the way back to the last good checkpoint.
// The data that led there is not seen again: weights, optimizer and schedule go back, the position
// in the data stays (Chowdhery et al., "PaLM", 2022, section 5.1, restart before a spike and skip
// the batches around it). All of it depends on the steps alone, so a run that is killed and resumed
// does the same again.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "train/detail/session.h"

namespace panal::train::detail {
namespace {

constexpr double kSmoothing = 0.98;  // Of the loss: the mean of about fifty steps.

}  // namespace

std::string Session::judge_run(const StepResult& result, bool is_warm) {
  const auto& rule = config_.stability;
  if (result.was_skipped) {
    ++counters_.skipped_steps;
    if (result.verdict != StepVerdict::kNotFinite) ++counters_.outlier_steps;
    if (++counters_.bad_steps_in_a_row < rule.bad_steps) return "";
    return fmt::format("{} steps in a row were skipped, the last one as {}",
                       counters_.bad_steps_in_a_row, verdict_name(result.verdict));
  }
  counters_.bad_steps_in_a_row = 0;
  if (!is_warm) return "";
  outliers_.accept(result.loss, result.gradient_norm);
  auto& smoothed = counters_.smoothed_loss;
  auto& lowest = counters_.lowest_smoothed_loss;
  smoothed = smoothed ? kSmoothing * *smoothed + (1 - kSmoothing) * result.loss : result.loss;
  lowest = lowest ? std::min(*lowest, *smoothed) : *smoothed;
  if (rule.loss_rise == 0 || *smoothed - *lowest <= rule.loss_rise) return "";
  return fmt::format("the smoothed loss rose from {:.4f} to {:.4f}, by more than {}", *lowest,
                     *smoothed, rule.loss_rise);
}

// Taken before things went wrong; and, where checkpoints come by steps, one of those, because the
// others depend on when somebody stopped the run.
bool Session::is_good(const Counters& checkpoint) const {
  const auto every_steps = config_.checkpoint.every_steps;
  if (checkpoint.bad_steps_in_a_row > 0) return false;
  if (every_steps > 0 && checkpoint.step % every_steps != 0) return false;
  if (config_.stability.loss_rise == 0 || !checkpoint.smoothed_loss) return true;
  return *checkpoint.smoothed_loss - checkpoint.lowest_smoothed_loss.value_or(0) <=
         config_.stability.loss_rise / 2;
}

std::int64_t Session::newest_good_step() const {
  if (is_good(counters_)) return counters_.step;
  for (const auto& checkpoint : list_checkpoints(at("checkpoints"))) {
    const auto counters = read_counters(checkpoint);
    if (counters.ok() && is_good(*counters)) return counters->step;
  }
  return -1;
}

Status Session::roll_back(const std::string& why) {
  PANAL_TRY(collect_checkpoint(true));
  const auto ended = [&](std::string_view reason) {
    return Status(Code::kInternal,
                  fmt::format("training diverged at step {}: {}; {}; a lower learning rate may "
                              "help, and the checkpoints in {} are kept",
                              counters_.step, why, reason, at("checkpoints").string()));
  };
  if (counters_.rollbacks >= config_.stability.rollbacks) {
    return ended(fmt::format("it went back to a checkpoint {} times already", counters_.rollbacks));
  }
  const auto checkpoints = list_checkpoints(at("checkpoints"));
  const auto target = std::ranges::find_if(checkpoints, [this](const auto& checkpoint) {
    const auto counters = read_counters(checkpoint);
    return counters.ok() && is_good(*counters);
  });
  if (target == checkpoints.end()) return ended("there is no good checkpoint to go back to");
  PANAL_ASSIGN(Counters good,
               load_checkpoint(*target, trainer_->trainable(), trainer_->whole_optimizer()));
  PANAL_TRY(outliers_.restore(good.outliers, target->string()));
  // Newer ones first of all: a resume must not begin from one of them.
  std::for_each(checkpoints.begin(), target, remove_checkpoint);

  const Counters before = std::exchange(counters_, std::move(good));
  counters_.tokens = before.tokens;
  counters_.skipped_steps = before.skipped_steps;
  counters_.outlier_steps = before.outlier_steps;
  counters_.rollbacks = before.rollbacks + 1;
  counters_.training_seconds = before.training_seconds;
  counters_.checkpoint_seconds = before.checkpoint_seconds;
  PANAL_TRY(order(Order::kAgree));
  PANAL_TRY(agree());
  saved_step_ = counters_.step;
  best_is_unsaved_ = false;
  events_.on_message(fmt::format(
      "training diverged at step {}: {}; going back to step {}, {} of "
      "at most {} times, and on with other data",
      before.step, why, counters_.step, counters_.rollbacks, config_.stability.rollbacks));
  PANAL_TRY(patience_.keep_trying([this] { return journal_->rewind(counters_.step); }));
  // Under the step after the checkpoint's: a resume from there takes these steps, and notes this
  // line, again.
  return note_line({{"step", counters_.step + 1},
                    {"event", "rollback"},
                    {"from_step", before.step},
                    {"to_step", counters_.step},
                    {"rollbacks", counters_.rollbacks},
                    {"why", why}});
}

}  // namespace panal::train::detail
