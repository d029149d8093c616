// The document of `panal bench optim` as table, curves and page.
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

Json figure(double mean) { return {{"mean", mean}, {"low", mean - 1}, {"high", mean + 1}}; }

Json seed(const std::vector<double>& losses, const Json& tokens) {
  Json curve = Json::array();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    curve.push_back(Json::array({10 * i, 1000 * i, 2.0 * static_cast<double>(i), losses[i]}));
  }
  return {{"seed", 1}, {"tokens", tokens}, {"final_loss", losses.back()}, {"curve", curve}};
}

// One rule that got there on both seeds and one that never did.
Json document() {
  const Json trial = {{"learning_rate", 0.04},
                      {"embedding_learning_rate", 0.008},
                      {"tokens", nullptr},
                      {"cut_short", true}};
  return {{"status", "completed"},
          {"target", 4.0},
          {"layers", 4},
          {"width", 128},
          {"rules",
           {{{"rule", "muon"},
             {"learning_rate", 0.02},
             {"embedding_learning_rate", 0.008},
             {"steps", figure(25)},
             {"tokens", figure(2500)},
             {"seconds", figure(5)},
             {"tokens_by_adamw", nullptr},
             {"tokens_by_muon", figure(1)},
             {"trials", {trial}},
             {"seeds", {seed({7, 4.8, 4.2, 3.8, 3.7}, 2400), seed({7, 4.6, 4.4, 4.0, 3.8}, 2600)}}},
            {{"rule", "<slow>"},
             {"learning_rate", 0.01},
             {"embedding_learning_rate", 0.004},
             {"extrapolation", 2.0},
             {"steps", nullptr},
             {"trials", Json::array()},
             {"seeds", {seed({7, 4.9, 4.7}, nullptr)}}}}},
          {"goals", {{{"verdict", "muon needs less: met"}}}}};
}

TEST(TargetPage, TableSaysWhatWasReachedAndWhatWasNot) {
  const TargetContest contest = target_contest_from_json(document()).value();
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
  const Chart chart = target_chart(target_contest_from_json(document()).value());
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
  const TargetContest contest = target_contest_from_json(document()).value();
  const std::string page = target_page(contest, "2026-01-01");
  EXPECT_THAT(page, AllOf(HasSubstr("&lt;slow&gt;"), Not(HasSubstr("<slow>")),
                          HasSubstr("muon needs less: met"), HasSubstr("could not be the best"),
                          HasSubstr("</html>")));
  const std::string image = to_standalone_svg(target_chart(contest));
  EXPECT_THAT(image, AllOf(HasSubstr("<style>"), HasSubstr("xmlns"), HasSubstr("</svg>")));
  EXPECT_EQ(std::ranges::count(image, '<'), std::ranges::count(image, '>'));
}

TEST(TargetPage, RefusesADocumentOfAnotherShape) {
  EXPECT_EQ(target_contest_from_json(Json::object()).code(), Code::kCancelled);
  for (const char* key : {"rules", "goals", "status"}) {
    Json bad = document();
    bad.erase(key);
    const auto refused = target_contest_from_json(bad);
    ASSERT_EQ(refused.code(), Code::kInvalidArgument) << key;
    EXPECT_THAT(refused.status().message(), HasSubstr(key));
  }
  Json bad = document();
  bad["rules"][0]["seeds"][0]["curve"][0] = "here";
  EXPECT_EQ(target_contest_from_json(bad).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::report
