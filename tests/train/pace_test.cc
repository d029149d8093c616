// A time limit on a machine whose clock the test moves.
#include "train/detail/pace.h"

#include <gtest/gtest.h>

namespace panal::train {
namespace {

using detail::Pace;
using detail::Spending;

Nanoseconds of(double seconds) {
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(seconds));
}

struct Timed {
  ManualClock clock;
  energy::SyntheticMeter meter;
  Spending spending{clock, meter};
};

TEST(Pace, WithoutALimitTimeIsNeverOver) {
  Timed timed;
  Pace pace(timed.spending, std::nullopt);
  pace.note_step(2);
  timed.clock.advance(of(1e9));
  EXPECT_FALSE(pace.time_is_over());
  EXPECT_DOUBLE_EQ(pace.seconds_left(10), 20);
}

// Another step, an evaluation as long as the last one and a second for the end must fit.
TEST(Pace, EndsWhileTheEndStillFits) {
  Timed timed;
  Pace pace(timed.spending, 100);
  pace.note_step(3);
  pace.note_evaluation(5);
  timed.clock.advance(of(90.5));
  EXPECT_FALSE(pace.time_is_over());
  EXPECT_DOUBLE_EQ(pace.seconds_left(1000), 9.5);
  timed.clock.advance(of(1));
  EXPECT_TRUE(pace.time_is_over());
}

TEST(Pace, CountsTheSecondsOfEarlierCalls) {
  Timed timed;
  Pace pace(timed.spending, 100);
  detail::Counters checkpoint;
  checkpoint.seconds = 95;
  timed.spending.go_on_from(checkpoint);
  timed.clock.advance(of(4.5));
  EXPECT_TRUE(pace.time_is_over());
  EXPECT_DOUBLE_EQ(timed.spending.seconds(), 99.5);
  EXPECT_DOUBLE_EQ(timed.spending.call_seconds(), 4.5);
}

// 100 s less 10 gone, 1.5 for the end and 2 evaluations of 4 s, 95 % of it, in steps of 2 s.
TEST(Pace, PlansTheStepsThatFitBesideEvaluationsAndTheEnd) {
  Timed timed;
  Pace pace(timed.spending, 100);
  pace.note_evaluation(4);
  timed.clock.advance(of(10));
  EXPECT_EQ(pace.steps_that_fit(2, 2), 38);
  EXPECT_EQ(pace.steps_that_fit(1000, 2), 1);
  EXPECT_GT(pace.steps_that_fit(0, 0), 1'000'000);  // A clock that stands still.
}

TEST(Pace, FollowsTheRecentSteps) {
  Timed timed;
  Pace pace(timed.spending, std::nullopt);
  EXPECT_EQ(pace.steps_per_second(), 0);
  for (int i = 0; i < 200; ++i) pace.note_step(4);
  EXPECT_DOUBLE_EQ(pace.steps_per_second(), 0.25);
  for (int i = 0; i < 200; ++i) pace.note_step(1);
  EXPECT_NEAR(pace.steps_per_second(), 1, 1e-6);
}

}  // namespace
}  // namespace panal::train
