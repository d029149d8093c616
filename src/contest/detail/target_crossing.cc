#include "contest/detail/target_crossing.h"

#include <algorithm>
#include <numeric>

namespace panal::contest::detail {
namespace {

double smoothed(std::span<const train::LossReading> curve, std::size_t i) {
  if (i == 0) return curve[0].loss;
  return (curve[i - 1].loss + curve[i].loss + curve[i + 1].loss) / 3;
}

}  // namespace

std::optional<Crossing> crossing(std::span<const train::LossReading> curve, double target) {
  for (std::size_t i = 1; i + 1 < curve.size(); ++i) {
    const double before = smoothed(curve, i - 1), after = smoothed(curve, i);
    if (after > target) continue;
    // A first reading at the target already: crossed at once.
    const double share = before > target ? (before - target) / (before - after) : 0.0;
    const auto between = [&](auto member) {
      const auto low = static_cast<double>(curve[i - 1].*member);
      const auto high = static_cast<double>(curve[i].*member);
      return low + share * (high - low);
    };
    return Crossing{.steps = between(&train::LossReading::step),
                    .tokens = between(&train::LossReading::tokens),
                    .seconds = between(&train::LossReading::seconds)};
  }
  return std::nullopt;
}

double final_loss(std::span<const train::LossReading> curve) {
  const auto last = curve.last(std::min<std::size_t>(3, curve.size()));
  double sum = 0;
  for (const train::LossReading& reading : last) sum += reading.loss;
  return sum / static_cast<double>(last.size());
}

std::optional<SeedSpread> seed_spread(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  const auto [low, high] = std::ranges::minmax(values);
  return SeedSpread{.mean = std::accumulate(values.begin(), values.end(), 0.0) /
                            static_cast<double>(values.size()),
                    .low = low,
                    .high = high};
}

std::optional<SeedSpread> token_ratio(std::span<const std::optional<Crossing>> ours,
                                      std::span<const std::optional<Crossing>> theirs) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (ours[i] && theirs[i] && theirs[i]->tokens > 0) {
      ratios.push_back(ours[i]->tokens / theirs[i]->tokens);
    }
  }
  return seed_spread(ratios);
}

}  // namespace panal::contest::detail
