#include "recipe/detail/rule_settings.h"

namespace panal::recipe::descriptors {

const RuleDescriptor kAdamW = {
    .name = "adamw",
    .section = "",
    .settings = {number(
                     "learning_rate", 0, kMostRate,
                     [](auto& c) -> auto& { return c.adamw.learning_rate; }),
                 number(
                     "beta1", 0, kMostMomentum, [](auto& c) -> auto& { return c.adamw.beta1; }),
                 number(
                     "beta2", 0, 0.9999999, [](auto& c) -> auto& { return c.adamw.beta2; }),
                 number(
                     "epsilon", 1e-20, 1e-2, [](auto& c) -> auto& { return c.adamw.epsilon; }),
                 number(
                     "weight_decay", 0, kMostDecay,
                     [](auto& c) -> auto& { return c.adamw.weight_decay; })},
    .access = {.learning_rate = [](OptimizerConfig& c) -> double& { return c.adamw.learning_rate; },
               .weight_decay = [](OptimizerConfig& c) -> double& { return c.adamw.weight_decay; }},
    .num_moments = 1,
    .other_state_bytes = 4,  // The second moment stays float32.
    .tuning = {.learning_rates = {0.001, 0.002, 0.004}}};

}  // namespace panal::recipe::descriptors
