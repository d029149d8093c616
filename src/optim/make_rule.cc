// Which code makes the updates of which rule.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

using recipe::Rule;

struct Maker {
  Rule rule;
  std::unique_ptr<UpdateRule> (*make)(const recipe::OptimizerConfig& config, const Target& target);
};

constexpr Maker kMakers[] = {{Rule::kAdamW, make_adamw},
                             {Rule::kMuon, make_muon},
                             {Rule::kNorMuon, make_normuon},
                             {Rule::kScion, make_scion},
                             {Rule::kTransportedScion, make_transported_scion}};

}  // namespace

std::unique_ptr<UpdateRule> make_rule(const recipe::OptimizerConfig& config, const Target& target) {
  const recipe::RuleDescriptor& descriptor = config.rule.descriptor();
  const std::int64_t dimensions = target.exact.value.dim();
  PANAL_REQUIRE(!descriptor.is_for_matrices_alone || dimensions == 2,
                fmt::format("rule {} is for matrices, found {} dimensions: {}", descriptor.name,
                            dimensions, target.name));
  const auto* maker = std::ranges::find(kMakers, config.rule, &Maker::rule);
  PANAL_CHECK(maker != std::end(kMakers),
              fmt::format("rule {} has no line in the table of makers", descriptor.name));
  auto rule = maker->make(config, target);
  if (config.ema_nesterov.extrapolation == 0) return rule;
  PANAL_REQUIRE(!descriptor.extrapolation,
                fmt::format("EMA-Nesterov goes on top of any rule but {}, which extrapolates by "
                            "itself: give one of them",
                            descriptor.name));
  return make_ema_nesterov(config.ema_nesterov, config.state_precision, target, std::move(rule));
}

}  // namespace panal::optim::detail
