// The outcome of `panal bench optim` as table, curves and page.
#include "report/target_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace panal::report {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

work::SeedFigure figure(double mean) { return {mean, mean - 1, mean + 1}; }

work::SeedRun seed(const std::vector<double>& losses, std::optional<double> tokens) {
  work::SeedRun run{.seed = 1, .tokens = tokens, .final_loss = losses.back()};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const auto at = static_cast<double>(i);
    run.curve.push_back({10 * at, 1000 * at, 2 * at, losses[i]});
  }
  return run;
}

// One rule that got there on both seeds and one that never did.
work::OptimizerContest outcome() {
  return {.target = 4.0,
          .rules = {{.rule = "muon",
                     .settings = {0.02, 0.008},
                     .steps = figure(25),
                     .tokens = figure(2500),
                     .seconds = figure(5),
                     .tokens_by_muon = figure(1),
                     .trials = {{.settings = {0.04, 0.008}, .was_cut_short = true}},
                     .seeds = {seed({7, 4.8, 4.2, 3.8, 3.7}, 2400),
                               seed({7, 4.6, 4.4, 4.0, 3.8}, 2600)}},
                    {.rule = "<slow>",
                     .settings = {0.01, 0.004, 2.0},
                     .seeds = {seed({7, 4.9, 4.7}, std::nullopt)}}},
          .goals = {{.verdict = "muon needs less: met"}}};
}

TargetContest contest_of() { return target_contest({}, outcome()).value(); }

TEST(TargetPage, TableSaysWhatWasReachedAndWhatWasNot) {
  const TargetContest contest = contest_of();
  const auto table = target_table(contest);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_THAT(table[1], ElementsAre("muon", "0.02", "0.008", "", "2 of 2", "25 (24 to 26)",
                                    "2500 (2499 to 2501)", "5 (4 to 6)", "unknown",
                                    "1.000 (0.000 to 2.000)"));
  EXPECT_THAT(table[2], ElementsAre("<slow>", "0.01", "0.004", "2", "0 of 1",
                                    "not reached, at best 4.700", "", "", "", ""));
}

// The mean runs where both seeds were evaluated; what lies over a nat above the target is left out.
TEST(TargetPage, CurvesAreMeansWithTheirSpread) {
  const Chart chart = target_chart(contest_of());
  const auto mean = std::ranges::find_if(chart.series, [](const Series& series) {
    return series.name == "muon" && series.look == Series::Look::kLine;
  });
  ASSERT_NE(mean, chart.series.end());
  ASSERT_EQ(mean->points.size(), 4u);
  EXPECT_DOUBLE_EQ(mean->points[0].x, 1000);
  EXPECT_DOUBLE_EQ(mean->points[0].y, 4.7);
  ASSERT_EQ(chart.bands.size(), 2u);
  EXPECT_DOUBLE_EQ(chart.bands[0].edges[1].low, 4.2);
  EXPECT_DOUBLE_EQ(chart.bands[0].edges[1].high, 4.4);
  EXPECT_EQ(chart.series.back().name, "target");
  EXPECT_DOUBLE_EQ(chart.series.back().points.front().y, 4.0);
}

TEST(TargetPage, IsWholeAndEscaped) {
  const TargetContest contest = contest_of();
  const std::string page = target_page(contest, "2026-01-01");
  EXPECT_THAT(page, AllOf(HasSubstr("&lt;slow&gt;"), Not(HasSubstr("<slow>")),
                          HasSubstr("muon needs less: met"), HasSubstr("could not be the best"),
                          HasSubstr("</html>")));
  const std::string image = to_standalone_svg(target_chart(contest));
  EXPECT_THAT(image, AllOf(HasSubstr("<style>"), HasSubstr("xmlns"), HasSubstr("</svg>")));
  EXPECT_EQ(std::ranges::count(image, '<'), std::ranges::count(image, '>'));
}

TEST(TargetPage, WithoutATargetThereIsNothingToShow) {
  EXPECT_EQ(target_contest({}, {.status = work::RunStatus::kStopped}).code(), Code::kCancelled);
}

}  // namespace
}  // namespace panal::report
