// Runs that go wrong: outliers are left out, a diverged run goes back, and both do the same again
// after a stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "tests/train/toy_run.h"
#include "train/detail/outliers.h"
#include "train/detail/stability.h"

namespace panal::train {
namespace {

using detail::OutlierEstimate;
using detail::StepVerdict;
using testing::HasSubstr;

// Against the rule spelt out over a plain list.
TEST(OutlierEstimate, FollowsItsRule) {
  const std::uint64_t seed = 41;
  Rng rng(seed);
  OutlierEstimate estimate(3.0, 10);
  std::vector<double> losses, norms;
  const auto limit = [](const std::vector<double>& all, double least_share) {
    const std::size_t count = std::min<std::size_t>(all.size(), 10);
    double mean = 0, squares = 0;
    for (std::size_t i = all.size() - count; i < all.size(); ++i) mean += all[i];
    mean /= static_cast<double>(count);
    for (std::size_t i = all.size() - count; i < all.size(); ++i) {
      squares += std::pow(all[i] - mean, 2);
    }
    const double deviation = std::sqrt(squares / static_cast<double>(count - 1));
    return mean + 3 * std::max(deviation, least_share * mean);
  };
  int num_outliers = 0;
  for (int i = 0; i < 400; ++i) {
    const double loss = 3 + 0.1 * rng.normal() + (rng.below(20) == 0 ? 2 : 0);
    const double norm = 1 + 0.2 * rng.normal() + (rng.below(20) == 0 ? 4 : 0);
    StepVerdict wanted = StepVerdict::kGood;
    if (losses.size() >= 5 && norm > limit(norms, 0.1)) wanted = StepVerdict::kGradientOutlier;
    if (losses.size() >= 5 && loss > limit(losses, 0.01)) wanted = StepVerdict::kLossOutlier;
    ASSERT_EQ(estimate.judge(loss, norm), wanted) << "seed " << seed << " step " << i;
    num_outliers += wanted == StepVerdict::kGood ? 0 : 1;
    if (wanted != StepVerdict::kGood) continue;
    estimate.accept(loss, norm);
    losses.push_back(loss);
    norms.push_back(norm);
  }
  EXPECT_GT(num_outliers, 20);
  EXPECT_EQ(estimate.judge(std::nan(""), 1), StepVerdict::kNotFinite);
  EXPECT_EQ(estimate.judge(1, std::numeric_limits<double>::infinity()), StepVerdict::kNotFinite);
}

TEST(OutlierEstimate, ComesBackFromItsStateAndRefusesOthers) {
  OutlierEstimate estimate(6, 4), again(6, 4);
  for (int i = 0; i < 7; ++i) estimate.accept(1.0 / 3 + i, 2.0 / 7 * i);
  const Json state = parse_json(to_line(estimate.state()), "state").value();
  ASSERT_TRUE(again.restore(state, "state.json").ok());
  EXPECT_EQ(again.state(), estimate.state());
  for (const char* text : {"{}", "[]", R"({"losses":[1],"gradient_norms":[]})",
                           R"({"losses":[1,"a"],"gradient_norms":[1,2]})",
                           R"({"losses":[1,2,3,4,5],"gradient_norms":[1,2,3,4,5]})"}) {
    const Status refused = again.restore(parse_json(text, "state").value(), "state.json");
    EXPECT_EQ(refused.code(), Code::kCorrupt) << text;
    EXPECT_THAT(refused.message(), HasSubstr("state.json: outliers"));
  }
  EXPECT_EQ(again.state(), estimate.state());
}

detail::StepResult step_of(double loss, StepVerdict verdict = StepVerdict::kGood) {
  return {.loss = loss,
          .gradient_norm = 1,
          .verdict = verdict,
          .was_skipped = verdict != StepVerdict::kGood};
}

TEST(Stability, ARunDivergesWhenStepsInARowAreLeftOut) {
  detail::Stability stability({.bad_steps = 3}, 0);
  detail::Counters counters;
  EXPECT_EQ(stability.judge(step_of(1, StepVerdict::kNotFinite), true, counters), "");
  EXPECT_EQ(stability.judge(step_of(1, StepVerdict::kLossOutlier), true, counters), "");
  EXPECT_FALSE(stability.is_good(counters));
  EXPECT_EQ(stability.judge(step_of(1), true, counters), "");
  EXPECT_TRUE(stability.is_good(counters));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(stability.judge(step_of(1, StepVerdict::kLossOutlier), true, counters), "");
  }
  EXPECT_THAT(stability.judge(step_of(1, StepVerdict::kGradientOutlier), true, counters),
              HasSubstr("3 steps in a row were skipped, the last one as gradient outlier"));
  EXPECT_EQ(counters.skipped_steps, 5);
  EXPECT_EQ(counters.outlier_steps, 4);
}

TEST(Stability, ARunDivergesWhenItsSmoothedLossRises) {
  detail::Stability stability({.loss_rise = 1}, 10);
  detail::Counters counters;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(stability.judge(step_of(9), false, counters), "") << "warm-up is not judged";
  }
  ASSERT_EQ(stability.judge(step_of(2), true, counters), "");
  counters.step = 20;
  EXPECT_TRUE(stability.is_good(counters));
  counters.step = 21;  // Not one that is made by steps.
  EXPECT_FALSE(stability.is_good(counters));
  int steps = 0;
  std::string why;
  for (; why.empty() && steps < 1000; ++steps) {
    why = stability.judge(step_of(4), true, counters);
    counters.step = 30;
    // Half of the rise is the most that a checkpoint to go back to may have.
    EXPECT_EQ(stability.is_good(counters), *counters.smoothed_loss <= 2.5) << steps;
  }
  // 2 + 2 (1 - 0.98^n) is over 3 from n = 35 on.
  EXPECT_EQ(steps, 35);
  EXPECT_THAT(why, HasSubstr("the smoothed loss rose from 2.0000 to 3.0"));
}

std::vector<Json> journal_of(const recipe::RunConfig& config) {
  std::istringstream text(read_text(config.run_directory / "metrics.jsonl"));
  std::vector<Json> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(parse_json(line, "metrics.jsonl").value());
    lines.back().erase("seconds");
  }
  return lines;
}

// A narrow rule on real training: some steps are left out. Stopped anywhere and resumed, the same
// ones are, and a run that goes back each time (bad_steps: 1) goes back to the same places.
TEST(Stability, SkipsAndRollsBackTheSameAfterAResume) {
  for (const bool rolls_back : {false, true}) {
    TestFolder folder(rolls_back ? "rollback" : "outliers");
    const std::string yaml = toy_yaml(
        "limits: {steps: 40, threads: 1}\n"
        "stability: {outlier_sigmas: 1, window: 4, rollbacks: 1000, bad_steps: " +
        std::string(rolls_back ? "1" : "1000") + "}\n");
    RecordingEvents events;
    const auto whole = toy_config(folder.path(), yaml, "whole");
    const auto first = run_toy(whole, events);
    ASSERT_TRUE(first.ok()) << first.status().message();
    EXPECT_EQ(first->steps, 40);
    EXPECT_GT(first->outlier_steps, 0);
    EXPECT_EQ(first->skipped_steps, first->outlier_steps);
    EXPECT_EQ(first->rollbacks, rolls_back ? first->outlier_steps : 0);
    int num_steps = 0, num_outliers = 0, num_rollbacks = 0;
    for (const Json& line : journal_of(whole)) {
      num_steps += line.contains("loss") ? 1 : 0;
      num_outliers +=
          line.value("why", "").find(" outlier") != std::string::npos && !line.contains("event")
              ? 1
              : 0;
      num_rollbacks += line.value("event", "") == "rollback" ? 1 : 0;
    }
    EXPECT_EQ(num_steps, 40);  // Each once: those gone back over are dropped.
    EXPECT_EQ(num_outliers, rolls_back ? 0 : first->outlier_steps);
    EXPECT_EQ(num_rollbacks, first->rollbacks);
    for (const std::int64_t stop_step : {9, 18, 27, 38}) {
      const auto parts = toy_config(folder.path(), yaml, "parts" + std::to_string(stop_step));
      RecordingEvents stopped, resumed;
      stopped.stop_after_step = stop_step;
      ASSERT_TRUE(run_toy(parts, stopped).ok());
      const auto second = run_toy(parts, resumed);
      ASSERT_TRUE(second.ok()) << second.status().message();
      EXPECT_EQ(second->outlier_steps, first->outlier_steps) << stop_step;
      EXPECT_EQ(second->rollbacks, first->rollbacks) << stop_step;
      EXPECT_EQ(journal_of(parts), journal_of(whole)) << stop_step;
      EXPECT_EQ(read_text(parts.run_directory / "model/model.safetensors"),
                read_text(whole.run_directory / "model/model.safetensors"))
          << stop_step;
    }
  }
}

TEST(Stability, EndsARunThatDivergesAgainAndAgain) {
  TestFolder folder("diverges");
  std::string yaml = toy_yaml(
      "limits: {steps: 400}\nschedule: {shape: constant, warmup_steps: 0}\n"
      "stability: {skip_outliers: 'off', loss_rise: 0.5, rollbacks: 2}\n");
  const auto replace = [&](const std::string& from, const std::string& to) {
    yaml.replace(yaml.find(from), from.size(), to);
  };
  replace("learning_rate: 0.003, muon_learning_rate: 0.02",
          "learning_rate: 5, muon_learning_rate: 5");
  replace("every_steps: 4", "every_steps: 1");
  RecordingEvents events;
  const auto summary = run_toy(toy_config(folder.path(), yaml), events);
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.code(), Code::kInternal);
  EXPECT_THAT(summary.status().message(), HasSubstr("training diverged at step"));
  EXPECT_THAT(summary.status().message(), HasSubstr("went back to a checkpoint 2 times already"));
  EXPECT_THAT(events.messages, HasSubstr("2 of at most 2 times"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run/model"));
}

}  // namespace
}  // namespace panal::train
