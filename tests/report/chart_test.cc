// Charts as text: well formed, inside their frame, safe with any name. Statistics against NumPy.
#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "report/statistics.h"

namespace panal::report {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Chart, ThinsLongCurvesAndEscapesNames) {
  Chart chart{.title = "a <run> & \"more\"", .x_label = "steps", .y_label = "loss"};
  Series series{.name = "<script>", .points = {}};
  for (int i = 0; i < 100'000; ++i) series.points.push_back({double(i), 8.0 - i / 20'000.0});
  chart.series.push_back(series);
  const std::string svg = to_svg(chart);
  EXPECT_THAT(svg, HasSubstr("a &lt;run&gt; &amp; &#34;more&#34;"));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_EQ(std::ranges::count(svg, '<'), std::ranges::count(svg, '>'));
  EXPECT_LT(svg.size(), 40'000u);
}

TEST(Chart, IsFineWithoutPointsWithOneAndWithEqualOnes) {
  EXPECT_THAT(to_svg({}), HasSubstr("nothing was recorded"));
  for (const double y : {0.0, 5.0, -3.0}) {
    Chart chart;
    chart.series.push_back({.name = "one", .points = {{1, y}}});
    EXPECT_THAT(to_svg(chart), Not(HasSubstr("nan")));
    EXPECT_THAT(to_svg(chart), Not(HasSubstr("inf")));
  }
}

TEST(Chart, TicksAreRoundAndInside) {
  EXPECT_THAT(axis_ticks(0, 100, 5), testing::ElementsAre(0, 20, 40, 60, 80, 100));
  for (const double tick : axis_ticks(2.31, 8.07, 6)) {
    EXPECT_GE(tick, 2.31);
    EXPECT_LE(tick, 8.07);
  }
}

TEST(Chart, ShortNumbersKeepFourDigits) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(1234), "1234");
  EXPECT_EQ(short_number(123456), "123.5 k");
  EXPECT_EQ(short_number(-2.5e9), "-2.5 G");
}

// numpy.quantile([4, 1, 3, 2], q) and numpy.std(ddof=1) / numpy.mean.
TEST(Statistics, QuantilesAreThoseOfNumPy) {
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.1), 1.3);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.95), 3.85);
  const Spread spread = *spread_of(values);
  EXPECT_DOUBLE_EQ(spread.largest, 4);
  EXPECT_NEAR(spread.coefficient_of_variation, 0.5163977794943222, 1e-15);
  EXPECT_FALSE(spread_of({}));
  EXPECT_EQ(spread_of(std::vector<double>{7})->coefficient_of_variation, 0);
}

}  // namespace
}  // namespace panal::report
