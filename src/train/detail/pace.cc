#include "train/detail/pace.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace panal::train::detail {
namespace {

constexpr double kNewest = 0.1;         // Weight of the last step in the recent mean.
constexpr double kEndingSeconds = 1.0;  // Writing checkpoint, model and sample.
// For a plan: other programs, slower evaluations and a slower end than the last ones.
constexpr double kShareForSteps = 0.95;
constexpr double kPlannedEndingSeconds = 1.5;
constexpr double kMostPlannedSteps = 100'000'000;

}  // namespace

void Pace::note_step(double seconds) {
  ++num_steps_;
  // The mean of all at first, then of about the last ten.
  const double weight = std::max(kNewest, 1 / static_cast<double>(num_steps_ - 1));
  step_seconds_ = num_steps_ <= 2 ? seconds : (1 - weight) * step_seconds_ + weight * seconds;
}

bool Pace::time_is_over() const {
  if (!max_seconds_) return false;
  return spending_.seconds() + step_seconds_ + evaluation_seconds_ + kEndingSeconds > *max_seconds_;
}

double Pace::seconds_left(std::int64_t steps) const {
  double left = static_cast<double>(steps) * step_seconds_;
  if (max_seconds_) left = std::min(left, *max_seconds_ - spending_.seconds());
  return std::max(0.0, left);
}

std::int64_t Pace::steps_that_fit(double step_seconds, int num_evaluations) const {
  PANAL_CHECK(max_seconds_.has_value(), "steps fit into a time limit");
  const double left = *max_seconds_ - spending_.seconds() - kPlannedEndingSeconds -
                      num_evaluations * evaluation_seconds_;
  const double steps = std::floor(left * kShareForSteps / std::max(step_seconds, 1e-6));
  return static_cast<std::int64_t>(std::clamp(steps, 1.0, kMostPlannedSteps));
}

}  // namespace panal::train::detail
