#include "contest/detail/contenders.h"

#include <algorithm>
#include <cmath>

namespace panal::contest::detail {
namespace {

// EMA-Nesterov's average has to follow a run of hundreds of steps; the paper's 0.99 is for
// thousands.
constexpr double kEmaKeep = 0.95;
// A movement holds the step ahead, which is the extrapolation times the average of movements: from
// 1 on the average feeds itself and grows without end.
constexpr double kMostEmaExtrapolation = 0.95;

Contender plain_contender(recipe::Rule rule) {
  const recipe::RuleDescriptor& descriptor = rule.descriptor();
  Contender made{.name = descriptor.name,
                 .rule = rule,
                 .kin = descriptor.tuning.kin,
                 .rate_of_kin = descriptor.tuning.rate_of_kin,
                 .learning_rates = descriptor.tuning.learning_rates};
  if (descriptor.extrapolation) made.extrapolations = descriptor.extrapolation->tried;
  return made;
}

bool is_near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(a, b); }

}  // namespace

bool RuleSettings::is_same(const RuleSettings& other) const {
  return is_near(learning_rate, other.learning_rate) &&
         is_near(embedding_learning_rate, other.embedding_learning_rate) &&
         is_near(extrapolation, other.extrapolation);
}

std::span<const Contender> contenders() {
  static const std::vector<Contender> kAll = [] {
    std::vector<Contender> all;
    for (const recipe::Rule rule : recipe::rules()) all.push_back(plain_contender(rule));
    all.push_back({.name = "ema_nesterov_muon",
                   .rule = recipe::Rule::kMuon,
                   .has_ema_nesterov = true,
                   .kin = "muon",
                   // Movements add up to 1 / (1 - extrapolation) of an update.
                   .rate_of_kin = 1.0 / 2,
                   .learning_rates = {0.005, 0.01, 0.02},
                   .extrapolations = {0.15, 0.3, 0.6},
                   .most_extrapolation = kMostEmaExtrapolation});
    return all;
  }();
  return kAll;
}

const Contender* find_contender(std::string_view name) {
  const auto found = std::ranges::find(contenders(), name, &Contender::name);
  return found == contenders().end() ? nullptr : &*found;
}

std::vector<std::string> contender_names() {
  std::vector<std::string> names;
  for (const Contender& contender : contenders()) names.emplace_back(contender.name);
  return names;
}

std::vector<double> embedding_learning_rates() { return {0.004, 0.008, 0.016}; }

recipe::OptimizerConfig optimizer_of(const Contender& contender, const RuleSettings& settings,
                                     std::int64_t warmup_steps) {
  recipe::OptimizerConfig config{.rule = contender.rule};
  config.adamw.learning_rate = settings.embedding_learning_rate;
  const recipe::RuleDescriptor& descriptor = contender.rule.descriptor();
  descriptor.access.learning_rate(config) = settings.learning_rate;
  if (contender.rule == recipe::Rule::kAdamW) {
    config.assignments.push_back({.match = "embed_tokens",
                                  .rule = recipe::Rule::kAdamW,
                                  .learning_rate = settings.embedding_learning_rate});
  }
  if (descriptor.extrapolation) {
    descriptor.extrapolation->value(config) = settings.extrapolation;
    descriptor.extrapolation->warmup_steps(config) = 2 * warmup_steps;
  }
  if (contender.has_ema_nesterov) {
    config.ema_nesterov = {
        .extrapolation = settings.extrapolation, .keep = kEmaKeep, .begin_step = 2 * warmup_steps};
  }
  return config;
}

}  // namespace panal::contest::detail
