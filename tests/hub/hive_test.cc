// Jobs of a hive: written down before they run, followed while they run, and ended for good.
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

TEST_F(HiveTest, WritesAJobDownAndKeepsItsResult) {
  runner.answers("generate", Json{{"text", "hola"}});
  const auto result = hive->run_job({.kind = "generate", .spec = Json{{"prompt", "x"}}}, {});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kSucceeded);
  EXPECT_EQ(jobs()[0].spec, (Json{{"prompt", "x"}}));
  EXPECT_EQ(jobs()[0].result, (Json{{"text", "hola"}}));
  EXPECT_EQ(runner.jobs[0].folder, hive->home().jobs / jobs()[0].id);
}

TEST_F(HiveTest, AFailedJobKeepsItsReason) {
  runner.fails("generate", Status(Code::kCorrupt, "the weights are torn"));
  const auto result = hive->run_job({.kind = "generate"}, {});
  EXPECT_EQ(result.code(), Code::kCorrupt);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kFailed);
  EXPECT_EQ(jobs()[0].error, "the weights are torn");
}

TEST_F(HiveTest, AStoppedJobIsCancelledNotFailed) {
  runner.fails("generate", Status(Code::kCancelled, "stopped on request"));
  EXPECT_EQ(hive->run_job({.kind = "generate"}, {}).code(), Code::kCancelled);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
}

// A result that does not count must not stand in the catalogue as a success.
TEST_F(HiveTest, ARefusedResultEndsTheJobAsTheJudgeSays) {
  runner.answers("train", Json{{"status", "stopped"}});
  const auto result = hive->run_job(
      {.kind = "train", .judge = [](const Json&) { return Status(Code::kCancelled, "at step 3"); }},
      {});
  EXPECT_EQ(result.code(), Code::kCancelled);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
  EXPECT_EQ(jobs()[0].error, "at step 3");
}

TEST_F(HiveTest, TellsWhatTheEngineSaysAndLeavesUnknownFiguresUnknown) {
  runner.scripts["train"] = [](const auto&, const fleet::EngineEvent& on_event) -> Result<Json> {
    on_event({work::JobMessage{"reading"}});
    on_event({work::JobAdvance{0.25}});
    on_event({work::TrainingProgress{.step = 3, .steps = 10}});
    on_event({work::EvaluationPoint{
        .step = 3, .loss = 2.5, .tasks = {{.name = "arc", .items = 4, .acc = 0.5}}}});
    return Json::object();
  };
  ASSERT_TRUE(hive->run_job({.kind = "train", .activity = "training"}, watch()).ok());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].activity, "training");
  EXPECT_EQ(std::get<work::JobMessage>(events[0].what).text, "reading");
  EXPECT_EQ(std::get<work::JobAdvance>(events[1].what).fraction, 0.25);
  const auto& progress = std::get<work::TrainingProgress>(events[2].what);
  EXPECT_EQ(progress.steps, 10);
  EXPECT_EQ(progress.loss, std::nullopt);
  EXPECT_EQ(progress.tokens_per_s, std::nullopt);
  const auto& look = std::get<work::EvaluationPoint>(events[3].what);
  EXPECT_EQ(look.loss, 2.5);
  EXPECT_EQ(look.perplexity, std::nullopt);
  EXPECT_EQ(look.tasks.at(0).acc, 0.5);
}

}  // namespace
}  // namespace panal::hub
