#include "train/detail/outliers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace panal::train::detail {
namespace {

Result<std::deque<double>> read_numbers(const Json& state, const char* key, std::int64_t most,
                                        std::string_view where) {
  std::deque<double> numbers;
  const bool is_list = state.is_object() && state.contains(key) && state[key].is_array();
  bool fits = is_list && static_cast<std::int64_t>(state[key].size()) <= most;
  if (fits) {
    for (const Json& entry : state[key]) {
      fits = fits && entry.is_number();
      if (fits) numbers.push_back(entry.get<double>());
    }
  }
  if (fits) return numbers;
  return Status(Code::kCorrupt, fmt::format("{}: outliers.{} must be a list of at most {} numbers",
                                            where, key, most));
}

}  // namespace

std::string_view verdict_name(StepVerdict verdict) {
  switch (verdict) {
    case StepVerdict::kGood:
      return "good";
    case StepVerdict::kNotFinite:
      return "not finite";
    case StepVerdict::kLossOutlier:
      return "loss outlier";
    case StepVerdict::kGradientOutlier:
      return "gradient outlier";
  }
  return "";
}

bool OutlierEstimate::is_far_above(const std::deque<double>& known, double value,
                                   double least_share) const {
  const auto count = static_cast<double>(known.size());
  double mean = 0, squares = 0;
  for (const double one : known) mean += one / count;
  for (const double one : known) squares += (one - mean) * (one - mean);
  const double deviation = std::sqrt(squares / (count - 1));
  return value > mean + sigmas_ * std::max(deviation, least_share * std::abs(mean));
}

StepVerdict OutlierEstimate::judge(double loss, double gradient_norm) const {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) return StepVerdict::kNotFinite;
  const auto known = static_cast<std::int64_t>(losses_.size());
  if (known < std::max<std::int64_t>(2, window_ / 2)) return StepVerdict::kGood;
  if (is_far_above(losses_, loss, kLeastLossShare)) return StepVerdict::kLossOutlier;
  if (is_far_above(norms_, gradient_norm, kLeastNormShare)) return StepVerdict::kGradientOutlier;
  return StepVerdict::kGood;
}

void OutlierEstimate::accept(double loss, double gradient_norm) {
  losses_.push_back(loss);
  norms_.push_back(gradient_norm);
  if (static_cast<std::int64_t>(losses_.size()) <= window_) return;
  losses_.pop_front();
  norms_.pop_front();
}

Json OutlierEstimate::state() const { return {{"losses", losses_}, {"gradient_norms", norms_}}; }

Status OutlierEstimate::restore(const Json& state, std::string_view where) {
  PANAL_ASSIGN(auto losses, read_numbers(state, "losses", window_, where));
  PANAL_ASSIGN(auto norms, read_numbers(state, "gradient_norms", window_, where));
  if (losses.size() != norms.size()) {
    return Status(Code::kCorrupt,
                  fmt::format("{}: outliers must hold as many losses as gradient norms, found {} "
                              "and {}",
                              where, losses.size(), norms.size()));
  }
  losses_ = std::move(losses);
  norms_ = std::move(norms);
  return Status();
}

}  // namespace panal::train::detail
