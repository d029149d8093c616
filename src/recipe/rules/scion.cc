#include "recipe/detail/rule_settings.h"

namespace panal::recipe::descriptors {
namespace {

RuleSetting radius() {
  return {.key = "radius",
          .kind = RuleSetting::Kind::kNumber,
          .low = 1e-6,
          .high = 1e6,
          .get = [](const OptimizerConfig& c) { return c.scion.radius; },
          .set = [](OptimizerConfig& c, double value) { c.scion.radius = value; }};
}

}  // namespace

const RuleDescriptor kScion = {
    .name = "scion",
    .section = "scion",
    .settings = {number(
                     "learning_rate", 0, kMostRate,
                     [](auto& c) -> auto& { return c.scion.learning_rate; }),
                 number(
                     "momentum", 0, kMostMomentum,
                     [](auto& c) -> auto& { return c.scion.momentum; }),
                 choice(
                     "norm", norm_names(), [](auto& c) -> auto& { return c.scion.norm; }),
                 flag(
                     "constrained", [](auto& c) -> auto& { return c.scion.is_constrained; }),
                 radius()},
    .access = {
        .learning_rate = [](OptimizerConfig& c) -> double& { return c.scion.learning_rate; },
        .norm = [](OptimizerConfig& c) -> Norm& { return c.scion.norm; },
        .radius = [](OptimizerConfig& c) -> std::optional<double>& { return c.scion.radius; }},
    .makes_orthogonal = true,
    .tuning = {.kin = "muon",
               .rate_of_kin = 1.0 / 50,  // The radius.
               .learning_rates = {0.0002, 0.0004, 0.0008}}};

}  // namespace panal::recipe::descriptors
