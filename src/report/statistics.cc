#include "report/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace panal::report {
namespace {

double quantile_of_sorted(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double quantile(std::span<const double> values, double share) {
  PANAL_CHECK(!values.empty() && share >= 0 && share <= 1, "a quantile of nothing, or beyond 1");
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  return quantile_of_sorted(sorted, share);
}

std::optional<Spread> spread_of(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  Spread spread{.count = sorted.size()};
  for (const double value : sorted) spread.mean += value / static_cast<double>(sorted.size());
  double squares = 0;
  for (const double value : sorted) squares += (value - spread.mean) * (value - spread.mean);
  if (sorted.size() > 1 && spread.mean > 0) {
    spread.coefficient_of_variation =
        std::sqrt(squares / static_cast<double>(sorted.size() - 1)) / spread.mean;
  }
  spread.p10 = quantile_of_sorted(sorted, 0.10);
  spread.median = quantile_of_sorted(sorted, 0.50);
  spread.p90 = quantile_of_sorted(sorted, 0.90);
  spread.p95 = quantile_of_sorted(sorted, 0.95);
  spread.largest = sorted.back();
  return spread;
}

RunningMean::RunningMean(std::size_t count)
    : keep_(1.0 - 1.0 / std::max(1.0, static_cast<double>(count) / 100.0)) {}

double RunningMean::after(double value) {
  mean_ = keep_ * mean_ + (1 - keep_) * value;
  weight_ = keep_ * weight_ + (1 - keep_);
  return mean_ / weight_;
}

}  // namespace panal::report
