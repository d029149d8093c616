// Schedules against their closed forms at the points that matter: start, end of warm-up, middle,
// end.
#include "recipe/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace panal::recipe {
namespace {

Schedule schedule_of(ScheduleShape shape) {
  return {.shape = shape,
          .total_steps = 110,
          .warmup_steps = 10,
          .final_fraction = 0.1,
          .decay_fraction = 0.5};
}

TEST(Schedule, WarmsUpInEqualSharesToThePeak) {
  for (const auto shape : {ScheduleShape::kConstant, ScheduleShape::kLinear, ScheduleShape::kCosine,
                           ScheduleShape::kWarmupStableDecay}) {
    for (int step = 0; step < 10; ++step) {
      EXPECT_DOUBLE_EQ(schedule_factor(schedule_of(shape), step), (step + 1) / 10.0);
    }
    EXPECT_DOUBLE_EQ(schedule_factor(schedule_of(shape), 10), 1.0);
  }
}

TEST(Schedule, FollowsTheLineTheCosineAndTheLateDecay) {
  EXPECT_DOUBLE_EQ(schedule_factor(schedule_of(ScheduleShape::kConstant), 109), 1.0);
  EXPECT_NEAR(schedule_factor(schedule_of(ScheduleShape::kLinear), 60), 0.55, 1e-12);
  EXPECT_NEAR(schedule_factor(schedule_of(ScheduleShape::kCosine), 60), 0.55, 1e-12);
  EXPECT_NEAR(schedule_factor(schedule_of(ScheduleShape::kCosine), 35),
              0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi / 4)), 1e-12);
  const Schedule late = schedule_of(ScheduleShape::kWarmupStableDecay);
  EXPECT_DOUBLE_EQ(schedule_factor(late, 55), 1.0);
  EXPECT_NEAR(schedule_factor(late, 55 + 11), 1.0 - 0.9 * 0.2, 1e-12);
}

TEST(Schedule, EndsAtTheFinalFractionAndStaysThere) {
  for (const auto shape :
       {ScheduleShape::kLinear, ScheduleShape::kCosine, ScheduleShape::kWarmupStableDecay}) {
    EXPECT_NEAR(schedule_factor(schedule_of(shape), 110), 0.1, 1e-12);
    EXPECT_NEAR(schedule_factor(schedule_of(shape), 5000), 0.1, 1e-12);
  }
}

// A schedule that is all warm-up, or that decays from its first step, must not divide by zero.
TEST(Schedule, IsFiniteAtItsEdges) {
  for (const auto shape : {ScheduleShape::kConstant, ScheduleShape::kLinear, ScheduleShape::kCosine,
                           ScheduleShape::kWarmupStableDecay}) {
    const Schedule all_warmup{.shape = shape, .total_steps = 1, .warmup_steps = 1};
    EXPECT_DOUBLE_EQ(schedule_factor(all_warmup, 0), 1.0);
    const Schedule no_warmup{.shape = shape, .total_steps = 1, .decay_fraction = 0.0};
    EXPECT_DOUBLE_EQ(schedule_factor(no_warmup, 0), 1.0);
  }
}

TEST(BatchRamp, GrowsFromOneToAllInEqualStages) {
  for (int step = 0; step < 8; ++step) {
    EXPECT_EQ(ramped_micro_batches(4, 8, step), 1 + step / 2);
  }
  EXPECT_EQ(ramped_micro_batches(4, 8, 8), 4);
  EXPECT_EQ(ramped_micro_batches(4, 8, 1000), 4);
  EXPECT_EQ(ramped_micro_batches(4, 0, 0), 4);
}

TEST(Schedule, NamesComeBack) {
  for (const auto shape : {ScheduleShape::kConstant, ScheduleShape::kLinear, ScheduleShape::kCosine,
                           ScheduleShape::kWarmupStableDecay}) {
    EXPECT_EQ(schedule_from_name(schedule_name(shape)).value(), shape);
  }
  EXPECT_EQ(schedule_from_name("cosin").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::recipe
