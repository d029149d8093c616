// Section "optimizer" of a run's YAML, both ways.
#pragma once

#include "base/config.h"
#include "base/json.h"
#include "recipe/run_config.h"

namespace panal::recipe::detail {

/// Reads the section over the defaults in `config`, whose precision is read already. Keys of a rule
/// that neither "rule" nor a line of "rules" names are unknown.
void read_optimizer(ConfigReader section, RunConfig& config);
/// What read_optimizer reads back.
Json optimizer_json(const RunConfig& config);

}  // namespace panal::recipe::detail
