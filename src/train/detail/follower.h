// What ranks over 0 do in a call of run(): they take part in steps and in gathering checkpoints
// until rank 0 says that it is done.
#pragma once

#include <stop_token>

#include "train/run.h"

namespace panal::train::detail {

/// Blocks for the whole run. The summary is of no use but for its steps.
Result<work::TrainingSummary> follow(const recipe::RunConfig& config, RunEvents& events,
                                     std::stop_token stop, RunEnvironment& environment);

}  // namespace panal::train::detail
