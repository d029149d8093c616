#include "train/detail/step_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::train {
namespace {

using detail::StepPlan;
using testing::HasSubstr;

using Schedule = recipe::RunConfig::Schedule;

Schedule schedule_of(recipe::ScheduleShape shape) {
  Schedule schedule;
  schedule.shape = shape;
  schedule.warmup_fraction = 0.1;
  return schedule;
}

TEST(StepPlan, StepsKeepTheNumberTheyWereTakenUnder) {
  const Schedule schedule = schedule_of(recipe::ScheduleShape::kLinear);
  StepPlan plan(schedule, 20);
  EXPECT_EQ(plan.steps(), 20);
  plan.decide(5, 40);
  plan.decide(8, 100);
  EXPECT_EQ(plan.steps(), 100);
  EXPECT_EQ(plan.decided_from(), 8);
  for (const auto& [step, total] :
       {std::pair(0, 20), {4, 20}, {5, 40}, {7, 40}, {8, 100}, {99, 100}}) {
    EXPECT_EQ(plan.schedule(schedule, step).total_steps, total) << step;
    // The warm-up was the first decision's and is over.
    EXPECT_EQ(plan.schedule(schedule, step).warmup_steps, 2) << step;
  }
  plan.decide(5, 30);  // A run that went on from an earlier checkpoint.
  EXPECT_EQ(plan.schedule(schedule, 50).total_steps, 30);
  EXPECT_EQ(plan.schedule(schedule, 4).total_steps, 20);
}

TEST(StepPlan, TheRateDependsOnItWhenTheDecayBegins) {
  using enum recipe::ScheduleShape;
  const auto first_dependent = [](recipe::ScheduleShape shape) {
    const Schedule schedule = schedule_of(shape);  // To a tenth of the peak.
    const StepPlan plan(schedule, 1000);
    std::int64_t step = 0;
    while (step < 1000 && !plan.rate_depends_on_it(schedule, step)) ++step;
    return step;
  };
  EXPECT_EQ(first_dependent(kConstant), 1000);
  // Under 0.98 of the peak: 0.9 x / 900 > 0.02, and 0.9 x / 200 from step 800 on.
  EXPECT_NEAR(first_dependent(kLinear), 121, 1);
  EXPECT_NEAR(first_dependent(kCosine), 186, 1);
  EXPECT_NEAR(first_dependent(kWarmupStableDecay), 805, 1);
}

TEST(StepPlan, ComesBackFromJsonAndRefusesWhatIsNone) {
  StepPlan plan(Schedule{}, 20);
  plan.decide(7, 31);
  const auto again =
      StepPlan::from_json(parse_json(to_line(plan.to_json()), "plan").value(), "plan");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(*again, plan);
  EXPECT_EQ(StepPlan::from_json(StepPlan().to_json(), "plan").value(), StepPlan());
  for (
      const char* text :
      {R"({"decisions":[]})", R"({"warmup_steps":1,"decisions":3})",
       R"({"warmup_steps":-1,"decisions":[]})",
       R"({"warmup_steps":1,"decisions":[{"from_step":1,"steps":3}]})",
       R"({"warmup_steps":1,"decisions":[{"from_step":0,"steps":0}]})",
       R"({"warmup_steps":1,"decisions":[{"from_step":0,"steps":4},{"from_step":0,"steps":5}]})"}) {
    const auto refused = StepPlan::from_json(parse_json(text, "plan").value(), "plan.json");
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_THAT(refused.status().message(), HasSubstr("plan.json")) << text;
  }
}

}  // namespace
}  // namespace panal::train
