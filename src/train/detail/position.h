// Where a run stands, which all of its ranks must agree on before a step.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "train/detail/ranks.h"
#include "train/detail/step_plan.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

struct Position {
  std::int64_t step = 0;  // Updates done.
  StepPlan plan;          // Perhaps not decided yet.
};

/// Rank 0's weights, optimizer, place in the data and position become everybody's: the others read
/// no checkpoint, so whichever rank 0 could use, they begin where it does. On all ranks; returns
/// rank 0's position. Errors: kCorrupt when what it sent is no position.
Result<Position> agree(const Ranks& ranks, Trainer& trainer, const Position& own);

/// Rank 0's plan becomes everybody's. On all ranks.
Status agree_on_plan(const Ranks& ranks, StepPlan& plan);

}  // namespace panal::train::detail
