// Which steps are better left out: those without a finite loss or gradient, and those whose loss or
// gradient norm lies far above what the last good steps had.
//
// Source   The rule of OLMo-core's SkipStepOptimizer (Allen Institute for AI, "2 OLMo 2 Furious",
//          2024): over the mean plus six standard deviations of the last 128 steps, once half of
//          them are known. We differ: what was left out does not enter the estimate, so that one
//          spike does not excuse the next; and a deviation counts as at least kLeastLossShare and
//          kLeastNormShare of the mean, so that a flat stretch does not make every step an outlier.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace panal::train::detail {

enum class StepVerdict { kGood, kNotFinite, kLossOutlier, kGradientOutlier };
/// "good", "not finite", "loss outlier" or "gradient outlier".
std::string_view verdict_name(StepVerdict verdict);

inline constexpr double kLeastLossShare = 0.01;
inline constexpr double kLeastNormShare = 0.1;

/// Mean and deviation of the last accepted steps. A value: its state is part of a checkpoint.
class OutlierEstimate {
 public:
  /// sigmas: over 0. window: 2 or more.
  OutlierEstimate(double sigmas, std::int64_t window) : sigmas_(sigmas), window_(window) {}

  /// Only kNotFinite or kGood until half of the window is known. Costs two passes over the window.
  StepVerdict judge(double loss, double gradient_norm) const;
  /// Only finite values, of a step that was taken.
  void accept(double loss, double gradient_norm);

  Json state() const;
  /// Untrusted. Errors: kCorrupt naming `where`; the estimate is then unchanged.
  Status restore(const Json& state, std::string_view where);

 private:
  bool is_far_above(const std::deque<double>& known, double value, double least_share) const;

  double sigmas_;
  std::int64_t window_;
  std::deque<double> losses_, norms_;  // The newest last, at most window_.
};

}  // namespace panal::train::detail
