// Jobs of a hive: written down before they run, followed while they run, and ended for good.
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

TEST_F(HiveTest, WritesAJobDownAndKeepsItsResult) {
  const work::GenerateJob job{.model = "x.gguf"};
  runner.answers<work::GenerateJob>({.text = "hola"});
  const auto result = hive->run_job(job, {}, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->text, "hola");
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kSucceeded);
  EXPECT_EQ(jobs()[0].spec, work::encode(job));
  EXPECT_EQ(jobs()[0].result, work::encode(work::GenerationResult{.text = "hola"}));
  EXPECT_EQ(runner.jobs[0].folder, hive->home().jobs / jobs()[0].id);
}

TEST_F(HiveTest, AFailedJobKeepsItsReason) {
  runner.fails<work::GenerateJob>(Status(Code::kCorrupt, "the weights are torn"));
  const auto result = hive->run_job(work::GenerateJob{}, {}, {});
  EXPECT_EQ(result.code(), Code::kCorrupt);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kFailed);
  EXPECT_EQ(jobs()[0].error, "the weights are torn");
}

TEST_F(HiveTest, AStoppedJobIsCancelledNotFailed) {
  runner.fails<work::GenerateJob>(Status(Code::kCancelled, "stopped on request"));
  EXPECT_EQ(hive->run_job(work::GenerateJob{}, {}, {}).code(), Code::kCancelled);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
}

// A result that does not count must not stand in the catalogue as a success.
TEST_F(HiveTest, ARefusedResultEndsTheJobAsTheJudgeSays) {
  runner.answers<work::TrainingJob>({.steps = 3});
  const auto result = hive->run_job(work::TrainingJob{}, {}, {}, [](const auto& summary) {
    return Status(Code::kCancelled, fmt::format("at step {}", summary.steps));
  });
  EXPECT_EQ(result.code(), Code::kCancelled);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
  EXPECT_EQ(jobs()[0].error, "at step 3");
}

// A figure that is missing is no 0: what cannot be read is a failure of the job.
TEST_F(HiveTest, AnOutcomeThatCannotBeReadFailsTheJob) {
  runner.scripts["export"] = [](const auto&, const auto&) {
    return Json{{"version", "1.0"}, {"folder", "/out"}};
  };
  const auto result = hive->run_job(work::ExportModelJob{}, {}, {});
  EXPECT_EQ(result.code(), Code::kInvalidArgument);
  EXPECT_NE(result.status().message().find("\"parameters\" is missing"), std::string::npos);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kFailed);
}

TEST_F(HiveTest, TellsWhatTheEngineSaysAndLeavesUnknownFiguresUnknown) {
  runner.scripts["train"] = [](const auto&, const fleet::EngineEvent& on_event) -> Result<Json> {
    on_event({work::JobMessage{"reading"}});
    on_event({work::JobAdvance{0.25}});
    on_event({work::TrainingProgress{.step = 3, .steps = 10}});
    on_event({work::EvaluationPoint{
        .step = 3, .loss = 2.5, .tasks = {{"arc", {.items = 4, .acc = 0.5}}}}});
    return work::encode(work::TrainingSummary{});
  };
  ASSERT_TRUE(hive->run_job(work::TrainingJob{}, {.activity = "training"}, watch()).ok());
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
  EXPECT_EQ(look.tasks.at("arc").acc, 0.5);
}

}  // namespace
}  // namespace panal::hub
