// How many steps a run takes, decided before the first one.
#pragma once

#include "base/result.h"
#include "train/detail/pace.h"
#include "train/detail/run_context.h"
#include "train/detail/run_files.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

/// Fills in steps and threads of a plan that has none yet. With only a time limit the steps are
/// what fits beside so many evaluations, by measuring some. On all ranks.
Status decide_steps(const RunContext& context, const Pace& pace, int num_evaluations,
                    Trainer& trainer, Plan& plan);

}  // namespace panal::train::detail
