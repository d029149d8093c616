#include "train/detail/stability.h"

#include <fmt/format.h>

#include <algorithm>

namespace panal::train::detail {
namespace {

constexpr double kSmoothing = 0.98;  // Of the loss: the mean of about fifty steps.

}  // namespace

std::string Stability::judge(const StepResult& result, bool is_warm, Counters& counters) {
  if (result.was_skipped) {
    ++counters.skipped_steps;
    if (result.verdict != StepVerdict::kNotFinite) ++counters.outlier_steps;
    if (++counters.bad_steps_in_a_row < rule_.bad_steps) return "";
    return fmt::format("{} steps in a row were skipped, the last one as {}",
                       counters.bad_steps_in_a_row, verdict_name(result.verdict));
  }
  counters.bad_steps_in_a_row = 0;
  if (!is_warm) return "";
  outliers_.accept(result.loss, result.gradient_norm);
  auto& smoothed = counters.smoothed_loss;
  auto& lowest = counters.lowest_smoothed_loss;
  smoothed = smoothed ? kSmoothing * *smoothed + (1 - kSmoothing) * result.loss : result.loss;
  lowest = lowest ? std::min(*lowest, *smoothed) : *smoothed;
  if (rule_.loss_rise == 0 || *smoothed - *lowest <= rule_.loss_rise) return "";
  return fmt::format("the smoothed loss rose from {:.4f} to {:.4f}, by more than {}", *lowest,
                     *smoothed, rule_.loss_rise);
}

bool Stability::is_good(const Counters& checkpoint) const {
  if (checkpoint.bad_steps_in_a_row > 0) return false;
  if (save_every_steps_ > 0 && checkpoint.step % save_every_steps_ != 0) return false;
  if (rule_.loss_rise == 0 || !checkpoint.smoothed_loss) return true;
  return *checkpoint.smoothed_loss - checkpoint.lowest_smoothed_loss.value_or(0) <=
         rule_.loss_rise / 2;
}

}  // namespace panal::train::detail
