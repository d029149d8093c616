// How versions come to be trusted: legal steps, checks, one preferred version, a history.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;
using LifecycleTest = CatalogueTest;

TEST_F(LifecycleTest, AllowsOnlyTheDocumentedSteps) {
  using enum Lifecycle;
  const std::vector<std::pair<Lifecycle, Lifecycle>> legal = {
      {kCandidate, kReady}, {kReady, kPreferred},   {kPreferred, kReady},   {kCandidate, kRetired},
      {kReady, kRetired},   {kPreferred, kRetired}, {kRetired, kCandidate},
  };
  for (const Lifecycle from : {kCandidate, kReady, kPreferred, kRetired}) {
    for (const Lifecycle to : {kCandidate, kReady, kPreferred, kRetired}) {
      const bool expected = std::ranges::find(legal, std::pair(from, to)) != legal.end();
      EXPECT_EQ(is_legal_transition(from, to), expected)
          << lifecycle_name(from) << " " << lifecycle_name(to);
    }
  }
}

TEST_F(LifecycleTest, RefusesAnIllegalStepAndChangesNothing) {
  const ModelVersion model = add("a");
  const auto refused = catalogue->move_model(model.id, Lifecycle::kPreferred, "hurry");
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_EQ(refused.status().message(), "a@1 is candidate: it cannot become preferred");
  EXPECT_EQ(state_of(model), Lifecycle::kCandidate);
  EXPECT_EQ(catalogue->history(model.id).value().size(), 1u);
}

TEST_F(LifecycleTest, OpensReadyOnlyToRecordedPassedChecks) {
  const ModelVersion model = add("a");
  EXPECT_THAT(catalogue->move_model(model.id, Lifecycle::kReady, "x").status().message(),
              HasSubstr("no passed check is recorded"));

  ASSERT_TRUE(
      catalogue
          ->record_evaluation(model.id, {.check = "speed", .metric = "tokens_per_s", .value = 80.0})
          .ok());
  EXPECT_FALSE(catalogue->move_model(model.id, Lifecycle::kReady, "x").ok())
      << "a measurement is no check";

  pass_check(model);
  ASSERT_TRUE(
      catalogue
          ->record_evaluation(
              model.id, {.check = "beats-core", .metric = "ratio", .value = 1.1, .passed = false})
          .ok());
  EXPECT_THAT(catalogue->move_model(model.id, Lifecycle::kReady, "x").status().message(),
              HasSubstr("\"beats-core\" (ratio) failed"));

  ASSERT_TRUE(
      catalogue
          ->record_evaluation(
              model.id, {.check = "beats-core", .metric = "ratio", .value = 0.9, .passed = true})
          .ok());
  EXPECT_TRUE(catalogue->move_model(model.id, Lifecycle::kReady, "x").ok())
      << "the later outcome counts";
}

TEST_F(LifecycleTest, KeepsOnePreferredVersionOfAName) {
  const ModelVersion first = add_in_state("a", Lifecycle::kPreferred);
  const ModelVersion other_name = add_in_state("b", Lifecycle::kPreferred);
  const ModelVersion second = add_in_state("a", Lifecycle::kPreferred);
  EXPECT_EQ(state_of(first), Lifecycle::kReady);
  EXPECT_EQ(state_of(second), Lifecycle::kPreferred);
  EXPECT_EQ(state_of(other_name), Lifecycle::kPreferred);
  EXPECT_THAT(catalogue->history(first.id).value().back().reason, HasSubstr("a@2 took its place"));
}

TEST_F(LifecycleTest, WritesDownEveryStepWithReasonAndTime) {
  const ModelVersion model = add("a");
  pass_check(model);
  clock.advance(std::chrono::seconds(5));
  ASSERT_TRUE(catalogue->move_model(model.id, Lifecycle::kReady, "all checks passed").ok());
  reopen();
  const auto history = catalogue->history(model.id).value();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].reason, "registered");
  EXPECT_EQ(history[1].from, Lifecycle::kCandidate);
  EXPECT_EQ(history[1].to, Lifecycle::kReady);
  EXPECT_EQ(history[1].reason, "all checks passed");
  EXPECT_EQ(history[1].at_unix_ms, history[0].at_unix_ms + 5000);
  EXPECT_EQ(catalogue->move_model(model.id, Lifecycle::kPreferred, "").code(),
            Code::kInvalidArgument);
}

TEST_F(LifecycleTest, KeepsEvaluationsAsTheyWereMeasured) {
  const ModelVersion model = add("a");
  const Evaluation measured{.check = "perplexity:legal",
                            .metric = "perplexity",
                            .value = 0.1,
                            .details = Json{{"tokens", 512}}};
  ASSERT_TRUE(catalogue->record_evaluation(model.id, measured).ok());
  ASSERT_TRUE(catalogue
                  ->record_evaluation(model.id, {.check = "diverged",
                                                 .metric = "loss",
                                                 .value = std::numeric_limits<double>::quiet_NaN(),
                                                 .passed = false})
                  .ok());
  const auto found = catalogue->list_evaluations(model.id).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].value, 0.1);
  EXPECT_EQ(found[0].passed, std::nullopt);
  EXPECT_EQ(found[0].details, measured.details);
  EXPECT_EQ(found[1].value, std::nullopt) << "a number that is none must not become 0";
  EXPECT_EQ(found[1].passed, false);
  EXPECT_EQ(catalogue->record_evaluation(99, measured).code(), Code::kNotFound);
  EXPECT_EQ(catalogue->record_evaluation(model.id, {}).code(), Code::kInvalidArgument);
}

TEST_F(LifecycleTest, DoesNotRetireWhatADeploymentUses) {
  const ModelVersion core = add("core");
  const ModelVersion expert = add_adapter("core/legal");
  NewDeployment deployment{.name = "demo", .core = "core"};
  deployment.experts.push_back({.model = "core/legal", .label = "legal"});
  ASSERT_TRUE(catalogue->put_deployment(deployment).ok());
  for (const auto& model : {core, expert}) {
    const auto refused = catalogue->move_model(model.id, Lifecycle::kRetired, "old");
    EXPECT_THAT(refused.status().message(), HasSubstr("deployment \"demo\" uses it"));
  }
  ASSERT_TRUE(catalogue->remove_deployment("demo").ok());
  EXPECT_TRUE(catalogue->move_model(core.id, Lifecycle::kRetired, "old").ok());
}

}  // namespace
}  // namespace panal::registry
