// Names that are taken, and what leaves a hive.
#include <gmock/gmock.h>

#include "hub/datasets.h"
#include "hub/endpoints.h"
#include "hub/finetune_expert.h"
#include "hub/import_model.h"
#include "hub/jobs.h"
#include "hub/models.h"
#include "hub/train_model.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(HiveTest, ATakenNameIsRefusedBeforeAnyWork) {
  add_core("bee");
  ASSERT_TRUE(deploy(*hive, {.name = "home", .core = "bee"}).ok());
  const auto text = test::write_plain(folder / "text.txt", "x");
  EXPECT_EQ(import_model(*hive, {.path = model_file(), .name = "home"}, {}).code(),
            Code::kConflict);
  EXPECT_EQ(train_model(*hive, {.config = "kind: pretrain\n", .model_name = "home"}, {}).code(),
            Code::kConflict);
  EXPECT_EQ(finetune_expert(*hive, {.core = "bee", .dataset = text, .name = "home"}, {}).code(),
            Code::kConflict);
  EXPECT_EQ(import_model(*hive, {.path = model_file(), .name = "auto"}, {}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(deploy(*hive, {.name = "bee", .core = "bee"}).code(), Code::kConflict);
  EXPECT_TRUE(runner.jobs.empty());
}

TEST_F(HiveTest, AClashOfAnOlderHomeIsListedWithWhatWillAnswer) {
  add_core("bee");
  add_core("wasp", "other");
  ASSERT_TRUE(deploy(*hive, {.name = "home", .core = "wasp"}).ok());
  auto database = store::Database::open(hive->home().database).value();
  ASSERT_TRUE(database.run("UPDATE deployments SET name = 'bee'").ok());
  const auto listed = list_models(*hive).value();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_THAT(listed[0].shadowed_by, HasSubstr("core wasp@1"));
  EXPECT_THAT(listed[1].shadowed_by, "");
}

TEST_F(HiveTest, ADatasetIsForgotten) {
  const auto text = test::write_plain(folder / "text.jsonl", "{\"text\":\"x\"}\n");
  ASSERT_TRUE(catalogue().add_dataset({.name = "mixed", .file = text, .num_documents = 1}).ok());
  const auto removal = remove_dataset(*hive, {.dataset = "mixed"});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_THAT(removal->removed, ElementsAre("dataset mixed@1"));
  EXPECT_EQ(remove_dataset(*hive, {.dataset = "mixed"}).code(), Code::kNotFound);
}

class JobsTest : public HiveTest {
 protected:
  /// A run that was stopped with a checkpoint, or that ended with a model.
  std::string train(work::RunStatus status) {
    runner.scripts["train"] = [status](const fleet::EngineJob& job, const auto&) -> Result<Json> {
      const auto run = job.folder / "run";
      std::filesystem::create_directories(run / "checkpoints" / "step_3");
      std::filesystem::create_directories(run / "model");
      test::write_plain(run / "model" / "model.safetensors", "learnt");
      return work::encode(
          work::TrainingSummary{.status = status, .steps = 3, .model_folder = run / "model"});
    };
    EXPECT_EQ(train_model(*hive, request, {}).ok(), status == work::RunStatus::kCompleted);
    return jobs().front().id;
  }
  const TrainModel request{
      .config_file = "run.yaml",
      .config = "kind: pretrain\ndata: {path: text.txt}\nlimits: {steps: 3}\n",
      .base_directory = test::write_plain(folder / "text.txt", "some text").parent_path()};
};

TEST_F(JobsTest, CheckpointsARunCouldGoOnFromGoByForceOnly) {
  const std::string id = train(work::RunStatus::kStopped);
  const auto refused = remove_jobs(*hive, {.ids = {id}});
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(), HasSubstr("checkpoints of " + id));
  const auto told = remove_jobs(*hive, {.ids = {id}, .options = {.dry_run = true}}).value();
  EXPECT_GT(told.freed_bytes, 0u);
  EXPECT_FALSE(told.is_done);
  EXPECT_EQ(jobs().size(), 1u);
  ASSERT_TRUE(remove_jobs(*hive, {.ids = {id}, .options = {.force = true}}).ok());
  EXPECT_TRUE(jobs().empty());
  EXPECT_EQ(test::num_entries(hive->home().jobs), 0u);
}

TEST_F(JobsTest, AModelThatIsRegisteredNowhereGoesByForceOnly) {
  const std::string id = train(work::RunStatus::kCompleted);
  EXPECT_THAT(remove_jobs(*hive, {.ids = {id}}).status().message(),
              HasSubstr("registered under no name"));
}

// What is not said may be there: nothing goes on a guess.
TEST_F(JobsTest, AResultThatDoesNotSayWhereItsModelLiesGoesByForceOnly) {
  for (const Json& result : {Json::object(), Json{{"model_folder", nullptr}}}) {
    const auto job = catalogue().add_job("train", {}).value();
    ASSERT_TRUE(catalogue().start_job(job.id).ok());
    ASSERT_TRUE(catalogue().succeed_job(job.id, result).ok());
    EXPECT_THAT(remove_jobs(*hive, {.ids = {job.id}}).status().message(),
                HasSubstr("does not say where it lies"));
  }
}

TEST_F(JobsTest, ARegisteredModelOutlivesItsJob) {
  train(work::RunStatus::kCompleted);
  TrainModel named = request;
  named.model_name = "bee";
  ASSERT_TRUE(train_model(*hive, named, {}).ok());
  std::vector<std::string> ids;
  for (const auto& job : jobs()) ids.push_back(job.id);
  const auto removal = remove_jobs(*hive, {.ids = ids});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_THAT(removal->named_by, ::testing::Contains("bee@1"));
  EXPECT_TRUE(catalogue().verify_all().value().empty());
}

TEST_F(JobsTest, ARunningJobIsNotForgottenAndNeitherAreTheOthers) {
  const std::string ended = train(work::RunStatus::kStopped);
  const auto running = catalogue().add_job("train", {}).value();
  const auto refused = remove_jobs(*hive, {.ids = {ended, running.id}, .options = {.force = true}});
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_EQ(jobs().size(), 2u);
}

}  // namespace
}  // namespace panal::hub
