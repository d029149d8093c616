// What is said about many equal measurements: order statistics and spread, never a mean alone.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace panal::report {

/// The value below which `share` (0 to 1) of the values lie, between neighbours linearly (Hyndman
/// and Fan, "Sample Quantiles in Statistical Packages", 1996, type 7, as NumPy does). `values`
/// need not be sorted; one or more, finite.
double quantile(std::span<const double> values, double share);

struct Spread {
  std::size_t count = 0;
  double mean = 0;
  double p10 = 0, median = 0, p90 = 0, p95 = 0, largest = 0;
  /// Standard deviation (of a sample: n - 1) by mean; 0 for one value.
  double coefficient_of_variation = 0;
};
/// Nothing for no values. Cost: one sort.
std::optional<Spread> spread_of(std::span<const double> values);

/// An exponential mean with a memory of a hundredth of the series, as curves are smoothed with.
class RunningMean {
 public:
  /// count: values to come, of which it is the mean; up to 100 are left as they are.
  explicit RunningMean(std::size_t count);
  double after(double value);

 private:
  double keep_ = 0, mean_ = 0, weight_ = 0;
};

}  // namespace panal::report
