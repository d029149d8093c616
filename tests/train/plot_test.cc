// The plot as text: well formed, with every curve, and safe with whatever a run is called.
#include "train/detail/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace panal::train::detail {
namespace {

using testing::HasSubstr;

TEST(Plot, DrawsBothCurvesInsideTheImage) {
  LossCurves curves{.title = "a <run> & more"};
  for (int step = 1; step <= 5000; ++step) curves.training.push_back({step, 8.0 - step / 1000.0});
  curves.validation = {{0, 8.3}, {2500, 5.6}, {5000, 3.2}};
  const std::string svg = loss_plot(curves);
  EXPECT_THAT(svg, HasSubstr("a &lt;run&gt; &amp; more"));
  EXPECT_THAT(svg, HasSubstr("validation 3.200"));
  EXPECT_EQ(std::ranges::count(svg, '<'), std::ranges::count(svg, '>'));
  EXPECT_LT(svg.size(), 60'000u);  // 5,000 points were thinned.
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns="));
}

TEST(Plot, IsFineWithoutPointsAndWithOne) {
  EXPECT_THAT(loss_plot({}), HasSubstr("</svg>"));
  const std::string one = loss_plot({.title = "", .training = {{1, 2.5}}, .validation = {}});
  EXPECT_THAT(one, testing::Not(HasSubstr("nan")));
  EXPECT_THAT(one, testing::Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace panal::train::detail
