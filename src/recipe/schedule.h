// Learning-rate schedules as pure functions of the step, so that a resumed run needs no state to go
// on.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace panal::recipe {

enum class ScheduleShape {
  kConstant,
  kLinear,             // Straight down to final_fraction.
  kCosine,             // Loshchilov and Hutter, "SGDR", 2017, one period.
  kWarmupStableDecay,  // Hu et al., "MiniCPM", 2024: constant, then straight down in the last
                       // decay_fraction.
};

/// "constant", "linear", "cosine" or "wsd".
std::string_view schedule_name(ScheduleShape shape);
Result<ScheduleShape> schedule_from_name(std::string_view name);

struct Schedule {
  ScheduleShape shape = ScheduleShape::kCosine;
  std::int64_t total_steps = 1;   // Over 0.
  std::int64_t warmup_steps = 0;  // 0 to total_steps.
  double final_fraction = 0.1;    // Of the peak, at the last step; 0 to 1.
  double decay_fraction = 0.2;    // Of total_steps; kWarmupStableDecay only; 0 to 1.
};

/// What the peak learning rate is multiplied by for update `step`, counted from 0. Warm-up is
/// linear: (step + 1) / warmup_steps. The decay starts at 1 on the first step after warm-up (or
/// after the stable part) and would reach final_fraction at step total_steps, where it stays.
double schedule_factor(const Schedule& schedule, std::int64_t step);

/// Micro-batches of update `step`, counted from 0, when they grow linearly from 1 to `accumulate`
/// over `ramp_steps` updates: small batches serve early training as well and cost less (McCandlish
/// et al., "An Empirical Model of Large-Batch Training", 2018).
std::int64_t ramped_micro_batches(std::int64_t accumulate, std::int64_t ramp_steps,
                                  std::int64_t step);

}  // namespace panal::recipe
