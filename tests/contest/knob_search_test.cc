// The search over one setting, on costs that are known.
#include "contest/detail/knob_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace panal::contest::detail {
namespace {

using testing::ElementsAre;

// Tokens grow with the distance from `best`, in factors of two.
struct Valley {
  double best = 1;
  std::vector<double> tried{};
  Result<TrialCost> operator()(double value) {
    tried.push_back(value);
    return TrialCost{.tokens = 100 + std::abs(std::log2(value / best)), .loss = 1};
  }
};

double found_by(const std::vector<double>& values, Valley& valley, int most_extensions = 3) {
  return search_knob(values, std::ref(valley), most_extensions).value().value;
}

TEST(KnobSearch, TriesTheMiddleFirstAndStopsWhenTheBestIsInside) {
  Valley valley{.best = 2.2};
  EXPECT_EQ(found_by({1, 2, 4}, valley), 2);
  EXPECT_THAT(valley.tried, ElementsAre(2, 1, 4));
}

TEST(KnobSearch, GoesOnPastAnEndByTheGridsFactor) {
  Valley high{.best = 16}, low{.best = 0.25};
  EXPECT_EQ(found_by({1, 2, 4}, high), 16);
  EXPECT_THAT(high.tried, ElementsAre(2, 1, 4, 8, 16, 32));
  EXPECT_EQ(found_by({1, 2, 4}, low), 0.25);
  EXPECT_THAT(low.tried, ElementsAre(2, 1, 4, 0.5, 0.25, 0.125));
}

TEST(KnobSearch, EndsSomewhere) {
  Valley valley{.best = 1e9};
  EXPECT_EQ(found_by({1, 2, 4}, valley, 2), 16);
  EXPECT_EQ(valley.tried.size(), 5u);
}

TEST(KnobSearch, TakesASingleValueAsItIs) {
  Valley valley{.best = 8};
  EXPECT_EQ(found_by({1}, valley), 1);
  EXPECT_THAT(valley.tried, ElementsAre(1));
}

// Whatever reaches the target beats whatever does not; of those that do not, the lowest loss wins.
TEST(KnobSearch, ComparesTrialsThatDoNotReachTheTargetByLoss) {
  const auto missed = [](double loss) { return TrialCost{.loss = loss}; };
  EXPECT_LT((TrialCost{.tokens = 1e12, .loss = 9}), missed(1));
  EXPECT_LT(missed(1), missed(2));
  EXPECT_LT(missed(2), TrialCost{});
  const auto cost = [&](double value) { return Result<TrialCost>(missed(std::abs(value - 1))); };
  EXPECT_EQ(search_knob({1, 2, 4}, cost).value().value, 1);
}

TEST(KnobSearch, PassesAnErrorOn) {
  const auto stopped = search_knob({1, 2, 4}, [](double value) -> Result<TrialCost> {
    if (value == 1) return Status(Code::kCancelled, "stopped");
    return TrialCost{};
  });
  EXPECT_EQ(stopped.code(), Code::kCancelled);
}

}  // namespace
}  // namespace panal::contest::detail
