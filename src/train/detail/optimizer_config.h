// Section "optimizer" of a run's YAML, both ways.
#pragma once

#include "base/config.h"
#include "base/json.h"
#include "train/config.h"

namespace panal::train::detail {

/// Reads the section over the defaults in `config`, whose precision is read already. Keys of a rule
/// that neither "rule" nor a line of "rules" names are unknown.
void read_optimizer(ConfigReader section, TrainConfig& config);
/// What read_optimizer reads back.
Json optimizer_json(const TrainConfig& config);

}  // namespace panal::train::detail
