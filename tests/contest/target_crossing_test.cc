// Curves made by hand: where they cross a target, and what is said over seeds.
#include "contest/detail/target_crossing.h"

#include <gtest/gtest.h>

#include <cmath>

namespace panal::contest::detail {
namespace {

// A reading every 10 steps of 100 tokens and half a second.
std::vector<train::LossReading> curve_of(const std::vector<double>& losses) {
  std::vector<train::LossReading> curve;
  for (const double loss : losses) {
    const auto step = static_cast<std::int64_t>(10 * curve.size());
    curve.push_back({.step = step,
                     .tokens = 100 * step,
                     .seconds = 0.5 * static_cast<double>(step),
                     .loss = loss});
  }
  return curve;
}

// Averaging with neighbours leaves a straight line as it is, so the crossing is exact.
TEST(TargetCrossing, LiesOnTheLineBetweenReadings) {
  const auto curve = curve_of({7, 6, 5, 4, 3, 2});
  const auto found = crossing(curve, 4.75);
  ASSERT_TRUE(found);
  EXPECT_DOUBLE_EQ(found->steps, 22.5);
  EXPECT_DOUBLE_EQ(found->tokens, 2250);
  EXPECT_DOUBLE_EQ(found->seconds, 11.25);
}

// One lucky reading under the target is not a crossing; neighbours count.
TEST(TargetCrossing, IsNotMadeByOneLuckyReading) {
  const auto curve = curve_of({7, 6, 5, 3.9, 4.8, 4.6, 4.0, 3.4, 3.0});
  const auto found = crossing(curve, 4.0);
  ASSERT_TRUE(found);
  // Averages of three: 40: 4.433, 50: 4.467, 60: 4.0.
  EXPECT_DOUBLE_EQ(found->steps, 60);
}

TEST(TargetCrossing, NeedsAReadingAfterIt) {
  EXPECT_FALSE(crossing(curve_of({7, 6, 5, 4}), 4.0));
  EXPECT_TRUE(crossing(curve_of({7, 6, 5, 4, 3}), 4.0));
  EXPECT_FALSE(crossing(curve_of({7, 6, 5, 4, 3}), 1.0));
  EXPECT_FALSE(crossing({}, 4.0));
  EXPECT_FALSE(crossing(curve_of({7}), 8.0));
}

TEST(TargetCrossing, IsAtTheStartWhereTheTargetIsMetFromTheStart) {
  const auto found = crossing(curve_of({3, 2, 1}), 4.0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->steps, 0);
}

TEST(FinalLoss, IsTheMeanOfTheLastThree) {
  EXPECT_DOUBLE_EQ(final_loss(curve_of({7, 5, 4, 3})), 4);
  EXPECT_DOUBLE_EQ(final_loss(curve_of({7, 5})), 6);
}

TEST(TokenRatio, IsTakenSeedBySeed) {
  const auto at = [](double tokens) {
    return std::optional(Crossing{.steps = 1, .tokens = tokens, .seconds = 1});
  };
  const std::vector<std::optional<Crossing>> ours = {at(70), at(160), std::nullopt, at(5)};
  const std::vector<std::optional<Crossing>> theirs = {at(100), at(200), at(100), std::nullopt};
  const auto ratio = token_ratio(ours, theirs);
  ASSERT_TRUE(ratio);
  EXPECT_DOUBLE_EQ(ratio->mean, 0.75);
  EXPECT_DOUBLE_EQ(ratio->low, 0.7);
  EXPECT_DOUBLE_EQ(ratio->high, 0.8);
  EXPECT_FALSE(token_ratio(ours, {}));
  EXPECT_FALSE(seed_spread({}));
}

}  // namespace
}  // namespace panal::contest::detail
