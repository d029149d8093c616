// Training and fine-tuning: one folder per request, and a model with its whole lineage or none.
#include "hub/finetune_expert.h"
#include "hub/train_model.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

class TrainingTest : public HiveTest {
 protected:
  /// The run leaves a model of one file and says so.
  void run_leaves_model(const std::string& content = "learnt") {
    runner.scripts["train"] = [this, content](const fleet::EngineJob& job,
                                              const auto&) -> Result<Json> {
      const auto model = job.folder / "run" / "model";
      std::filesystem::create_directories(model);
      test::write_plain(model / "model.safetensors", content);
      return work::encode(work::TrainingSummary{.steps = 3,
                                                .trainable_parameters = 64,
                                                .dataset_sha256 = std::string(64, 'a'),
                                                .model_folder = model});
    };
  }
  const TrainModel request{
      .config_file = "run.yaml",
      .config = "kind: pretrain\ndata: {path: text.txt}\nlimits: {steps: 3}\n",
      .base_directory = test::write_plain(folder / "text.txt", "some text").parent_path(),
      .model_name = "bee"};
};

TEST_F(TrainingTest, ATrainedModelIsRegisteredWithItsLineage) {
  run_leaves_model();
  const auto trained = train_model(*hive, request, watch());
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  ASSERT_TRUE(trained->model.has_value());
  EXPECT_EQ(trained->model->label(), "bee@1");
  EXPECT_EQ(trained->model->state, registry::Lifecycle::kPreferred);
  EXPECT_EQ(trained->model->lineage.dataset_sha256, std::string(64, 'a'));
  EXPECT_EQ(trained->model->lineage.run_id, trained->run_folder.filename());
  EXPECT_EQ(trained->model->lineage.details.at("run").at("steps"), 3);
  EXPECT_EQ(runner.jobs[0].spec.at("run_directory"), (trained->run_folder / "run").string());
  EXPECT_EQ(runner.jobs[1].kind, "check");
}

TEST_F(TrainingTest, WithoutANameNothingIsRegistered) {
  run_leaves_model();
  TrainModel nameless = request;
  nameless.model_name.clear();
  const auto trained = train_model(*hive, nameless, {});
  ASSERT_TRUE(trained.ok());
  EXPECT_FALSE(trained->model.has_value());
  EXPECT_TRUE(models().empty());
}

TEST_F(TrainingTest, TheSameRequestGoesOnInTheSameFolder) {
  run_leaves_model();
  const auto first = train_model(*hive, request, {});
  const auto again = train_model(*hive, request, {});
  EXPECT_EQ(first->run_folder, again->run_folder);
  TrainModel other = request;
  other.config += "seed: 2\n";
  EXPECT_NE(train_model(*hive, other, {})->run_folder, first->run_folder);
}

// A stopped run has no model; what it has is a checkpoint, and its job says so.
TEST_F(TrainingTest, AStoppedRunIsCancelledAndRegistersNothing) {
  runner.answers<work::TrainingJob>({.status = work::RunStatus::kStopped, .steps = 7});
  const auto trained = train_model(*hive, request, {});
  EXPECT_EQ(trained.code(), Code::kCancelled);
  EXPECT_NE(trained.status().message().find("stopped at step 7"), std::string::npos);
  EXPECT_TRUE(models().empty());
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
}

TEST_F(TrainingTest, ARefusedRunFileLeavesNoFolder) {
  runner.scripts["train"] = [](const fleet::EngineJob& job, const auto&) -> Result<Json> {
    std::filesystem::create_directories(job.folder);
    return Status(Code::kInvalidArgument, "run.yaml:1: kind is wrong");
  };
  EXPECT_EQ(train_model(*hive, request, {}).code(), Code::kInvalidArgument);
  EXPECT_EQ(test::num_entries(hive->home().jobs), 0u);
}

TEST_F(TrainingTest, ABadNameIsRefusedBeforeAnythingIsTrained) {
  TrainModel bad = request;
  bad.model_name = "Bee/1";
  EXPECT_EQ(train_model(*hive, bad, {}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(runner.jobs.empty());
}

TEST_F(TrainingTest, ARunOfSeveralProcessesIsStartedWithAsMany) {
  run_leaves_model();
  TrainModel of_file = request;
  of_file.config += "parallel: {processes: 3}\n";
  ASSERT_TRUE(train_model(*hive, of_file, {}).ok());
  EXPECT_EQ(runner.jobs[0].processes, 3);
  EXPECT_FALSE(runner.jobs[0].spec.contains("processes"));
  of_file.processes = 2;
  ASSERT_TRUE(train_model(*hive, of_file, {}).ok());
  EXPECT_EQ(runner.jobs[2].processes, 2);
  EXPECT_EQ(runner.jobs[2].spec.at("processes"), 2);
}

TEST_F(TrainingTest, AnExpertKnowsItsCoreAndItsPartition) {
  run_leaves_model();
  const auto core = add_core("bee");
  const auto text = test::write_plain(folder / "text.jsonl", "{\"text\":\"x\"}\n");
  const auto dataset =
      catalogue().add_dataset({.name = "mixed", .file = text, .num_documents = 1}).value();
  const auto partitioning = catalogue()
                                .add_partitioning({.dataset_id = dataset.id,
                                                   .partitioning_json = "{}",
                                                   .topic_model_json = "{}",
                                                   .partitions = {{.number = 0,
                                                                   .label = "wax",
                                                                   .num_documents = 1,
                                                                   .files = {{"train", text}}}}})
                                .value();
  FinetuneExpert expert{.core = "bee", .dataset = "1:wax", .name = "team/wax", .steps = 3};
  const auto trained = finetune_expert(*hive, expert, {});
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  const auto& lineage = trained->model->lineage;
  EXPECT_EQ(trained->model->state, registry::Lifecycle::kCandidate);
  EXPECT_EQ(lineage.parent, core.label());
  EXPECT_EQ(lineage.dataset_sha256, partitioning.partitions[0].files[0].blob);
  EXPECT_EQ(lineage.details.at("partition"), "wax");
  EXPECT_EQ(lineage.details.at("partitioning"), partitioning.id);
  EXPECT_EQ(trained->model->architecture.at("parameters"), 64);
  expert.dataset = "1:honey";
  EXPECT_EQ(finetune_expert(*hive, expert, {}).code(), Code::kNotFound);
}

TEST_F(TrainingTest, AnExpertNeedsARegisteredCore) {
  run_leaves_model();
  const auto core = add_core("bee");
  add_expert("team/wax", core);
  const auto text = test::write_plain(folder / "text.txt", "x");
  for (const std::string& wrong : {std::string("team/wax"), model_file().string()}) {
    const auto trained =
        finetune_expert(*hive, {.core = wrong, .dataset = text, .name = "team/new"}, {});
    EXPECT_EQ(trained.code(), Code::kInvalidArgument) << wrong;
  }
  EXPECT_TRUE(runner.jobs.empty());
}

}  // namespace
}  // namespace panal::hub
