#include "recipe/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace panal::recipe {
namespace {

constexpr std::array<std::pair<ScheduleShape, std::string_view>, 4> kNames{{
    {ScheduleShape::kConstant, "constant"},
    {ScheduleShape::kLinear, "linear"},
    {ScheduleShape::kCosine, "cosine"},
    {ScheduleShape::kWarmupStableDecay, "wsd"},
}};

double line_down(double progress, double final_fraction) {
  return 1.0 + (final_fraction - 1.0) * progress;
}

// How far the decay has come at `step` when it runs from `begin` to `end`: 0 before, 1 after.
double progress_between(double step, double begin, double end) {
  if (end <= begin) return step >= end ? 1.0 : 0.0;
  return std::clamp((step - begin) / (end - begin), 0.0, 1.0);
}

}  // namespace

std::string_view schedule_name(ScheduleShape shape) {
  return std::ranges::find(kNames, shape, [](const auto& entry) { return entry.first; })->second;
}

Result<ScheduleShape> schedule_from_name(std::string_view name) {
  for (const auto& [shape, known] : kNames) {
    if (known == name) return shape;
  }
  return Status(Code::kInvalidArgument,
                fmt::format("a schedule is constant, linear, cosine or wsd, found \"{}\"", name));
}

double schedule_factor(const Schedule& schedule, std::int64_t step) {
  const auto at = static_cast<double>(step);
  const auto total = static_cast<double>(schedule.total_steps);
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  if (at < warmup) return (at + 1.0) / warmup;
  switch (schedule.shape) {
    case ScheduleShape::kConstant:
      return 1.0;
    case ScheduleShape::kLinear:
      return line_down(progress_between(at, warmup, total), schedule.final_fraction);
    case ScheduleShape::kCosine: {
      const double progress = progress_between(at, warmup, total);
      const double wave = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
      return schedule.final_fraction + (1.0 - schedule.final_fraction) * wave;
    }
    case ScheduleShape::kWarmupStableDecay: {
      const double begin = std::max(warmup, total * (1.0 - schedule.decay_fraction));
      return line_down(progress_between(at, begin, total), schedule.final_fraction);
    }
  }
  return 1.0;
}

std::int64_t ramped_micro_batches(std::int64_t accumulate, std::int64_t ramp_steps,
                                  std::int64_t step) {
  if (step >= ramp_steps) return accumulate;
  const double share = static_cast<double>(step) / static_cast<double>(ramp_steps);
  return 1 + static_cast<std::int64_t>(share * static_cast<double>(accumulate));
}

}  // namespace panal::recipe
