#include "recipe/detail/rule_settings.h"

namespace panal::recipe::descriptors {

const RuleDescriptor kTransportedScion = {
    .name = "transported_scion",
    .section = "transported_scion",
    .settings = {number(
                     "learning_rate", 0, kMostRate,
                     [](auto& c) -> auto& { return c.transported_scion.learning_rate; }),
                 number(
                     "momentum", 0, kMostMomentum,
                     [](auto& c) -> auto& { return c.transported_scion.momentum; }),
                 flag(
                     "nesterov", [](auto& c) -> auto& { return c.transported_scion.nesterov; }),
                 number(
                     "weight_decay", 0, kMostDecay,
                     [](auto& c) -> auto& { return c.transported_scion.weight_decay; }),
                 choice(
                     "norm", norm_names(),
                     [](auto& c) -> auto& { return c.transported_scion.norm; }),
                 number(
                     "extrapolation", 0, 100,
                     [](auto& c) -> auto& { return c.transported_scion.extrapolation; }),
                 integer(
                     "extrapolation_warmup_steps", 0, kMostSteps, [](auto& c) -> auto& {
                       return c.transported_scion.extrapolation_warmup_steps;
                     })},
    .access = {.learning_rate = [](OptimizerConfig& c) -> double& {
                 return c.transported_scion.learning_rate;
               },
               .weight_decay = [](OptimizerConfig& c) -> double& {
                 return c.transported_scion.weight_decay;
               },
               .norm = [](OptimizerConfig& c) -> Norm& { return c.transported_scion.norm; }},
    .other_state_bytes = 2,  // The displacement, in bfloat16.
    .makes_orthogonal = true,
    .extrapolation = RuleExtrapolation{
        .value = [](OptimizerConfig& c) -> double& { return c.transported_scion.extrapolation; },
        .warmup_steps = [](OptimizerConfig& c) -> std::int64_t& {
          return c.transported_scion.extrapolation_warmup_steps;
        },
        .tried = {2, 4, 8}},
    .tuning = {.kin = "muon", .learning_rates = {0.01, 0.02, 0.04}}};

}  // namespace panal::recipe::descriptors
