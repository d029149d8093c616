// Removal: what stands on a thing keeps it, what nothing else refers to goes from the disk, and a
// number once given never means other bytes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "store/faulty_file_system.h"
#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using store::FaultKind;
using store::FaultyFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RemovalTest : public CatalogueTest {
 protected:
  std::size_t num_blobs() { return catalogue->blobs().list().value().size(); }
  Dataset add_dataset(const std::string& name, const std::string& content) {
    return catalogue
        ->add_dataset(
            {.name = name, .file = test::write_plain(folder / "text", content), .num_documents = 1})
        .value();
  }
  Partitioning divide(const Dataset& dataset, const std::string& topics) {
    const auto part = test::write_plain(folder / "part", "part of " + dataset.label());
    return catalogue
        ->add_partitioning(
            {.dataset_id = dataset.id,
             .partitioning_json = "{}",
             .topic_model_json = topics,
             .partitions =
                 {{.number = 0, .label = "wax", .num_documents = 1, .files = {{"train", part}}}}})
        .value();
  }
};

TEST_F(RemovalTest, AModelGoesWithItsBytesAndItsFolder) {
  const ModelVersion bee = add("bee", "weights of bee");
  const auto made = catalogue->materialise(bee).value();
  const auto removal = catalogue->remove_model("bee");
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_TRUE(removal->is_done);
  EXPECT_THAT(removal->removed, ElementsAre("model bee@1"));
  EXPECT_EQ(removal->freed_bytes, bee.num_bytes());
  EXPECT_EQ(num_blobs(), 0u);
  EXPECT_FALSE(std::filesystem::exists(made));
  EXPECT_EQ(catalogue->resolve("bee").code(), Code::kNotFound);
}

TEST_F(RemovalTest, BytesThatAnotherModelHasStay) {
  add("bee", "same");
  const ModelVersion wasp = add("wasp", "same");
  const auto removal = catalogue->remove_model("bee").value();
  EXPECT_EQ(removal.freed_bytes, 0u);
  EXPECT_TRUE(catalogue->verify(wasp).ok());
  EXPECT_TRUE(catalogue->verify_all().value().empty());
}

TEST_F(RemovalTest, OneVersionGoesAndTheOthersStay) {
  add("bee", "one");
  const ModelVersion second = add("bee", "two");
  ASSERT_TRUE(catalogue->remove_model("bee@1").ok());
  EXPECT_EQ(catalogue->resolve("bee").value().model.id, second.id);
  EXPECT_TRUE(catalogue->verify(second).ok());
  EXPECT_EQ(catalogue->remove_model("bee@1").code(), Code::kNotFound);
}

// What says "bee@2" in some lineage must never come to mean other bytes.
TEST_F(RemovalTest, AVersionNumberIsNeverGivenAgain) {
  add("bee", "one");
  add("bee", "two");
  ASSERT_TRUE(catalogue->remove_model("bee@2").ok());
  EXPECT_EQ(add("bee", "three").version, 3);
  ASSERT_TRUE(catalogue->remove_model("bee").ok());
  reopen();
  EXPECT_EQ(add("bee", "four").version, 4);
  add_dataset("mixed", "a");
  ASSERT_TRUE(catalogue->remove_dataset("mixed").ok());
  EXPECT_EQ(add_dataset("mixed", "b").version, 2);
}

TEST_F(RemovalTest, WhatAnswersIsNotRemovedNotEvenByForce) {
  add("bee");
  add_adapter("team/wax", "bee@1");
  ASSERT_TRUE(
      catalogue
          ->put_deployment(
              {.name = "home", .core = "bee", .experts = {{.model = "team/wax", .label = "wax"}}})
          .ok());
  for (const char* model : {"bee", "bee@1", "team/wax"}) {
    const auto refused = catalogue->remove_model(model, {.force = true});
    EXPECT_EQ(refused.code(), Code::kConflict) << model;
    EXPECT_THAT(refused.status().message(), HasSubstr("home"));
  }
  EXPECT_EQ(catalogue->list_models().value().size(), 2u);
  EXPECT_TRUE(catalogue->verify_all().value().empty());
  ASSERT_TRUE(catalogue->remove_deployment("home").ok());
  EXPECT_TRUE(catalogue->remove_model("team/wax").ok());
  EXPECT_TRUE(catalogue->remove_model("bee").ok());
}

TEST_F(RemovalTest, TheExpertsOfACoreGoWithItByForceOnly) {
  add("bee");
  add("wasp", "other");
  add_adapter("team/wax", "bee@1");
  const ModelVersion free = add_adapter("team/free", "wasp@1");
  const auto refused = catalogue->remove_model("bee");
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(), HasSubstr("expert team/wax@1 over bee@1"));
  EXPECT_EQ(catalogue->list_models().value().size(), 4u);
  const auto removal = catalogue->remove_model("bee", {.force = true});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_EQ(catalogue->resolve("team/wax").code(), Code::kNotFound);
  EXPECT_TRUE(catalogue->verify(free).ok());
}

TEST_F(RemovalTest, ADryRunTellsAllAndChangesNothing) {
  add("bee", "weights of bee");
  add_adapter("team/wax", "bee@1");
  NewModel child = new_model("child", "of bee");
  child.lineage.parent = "bee@1";
  ASSERT_TRUE(catalogue->add_model(child).ok());
  ASSERT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee"}).ok());
  const auto before = num_blobs();
  const auto removal = catalogue->remove_model("bee", {.dry_run = true});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_FALSE(removal->is_done);
  EXPECT_THAT(removal->removed, ElementsAre("model bee@1"));
  EXPECT_THAT(removal->dependents, ElementsAre(HasSubstr("team/wax@1")));
  EXPECT_THAT(removal->refused_by, ElementsAre(HasSubstr("home")));
  EXPECT_THAT(removal->named_by, ElementsAre("child@1"));
  EXPECT_EQ(num_blobs(), before);
  EXPECT_EQ(catalogue->list_models().value().size(), 3u);
}

TEST_F(RemovalTest, WhatAJobWorksWithStaysUntilItHasEnded) {
  const ModelVersion bee = add("bee");
  const auto core = catalogue->materialise(bee).value();
  const auto job = catalogue->add_job("train", Json{{"model", core.string()}}).value();
  const auto refused = catalogue->remove_model("bee", {.force = true});
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(), HasSubstr(job.id));
  ASSERT_TRUE(catalogue->cancel_job(job.id, "test").ok());
  EXPECT_TRUE(catalogue->remove_model("bee").ok());
}

TEST_F(RemovalTest, AJobOnVersionTwelveDoesNotHoldVersionOne) {
  for (int i = 1; i <= 12; ++i) add("bee", fmt::format("version {}", i));
  const auto core = catalogue->materialise(catalogue->resolve("bee@12").value().model).value();
  ASSERT_TRUE(catalogue->add_job("train", Json{{"model", core.string()}}).ok());
  EXPECT_TRUE(catalogue->remove_model("bee@1").ok());
  EXPECT_EQ(catalogue->remove_model("bee@12").code(), Code::kConflict);
}

TEST_F(RemovalTest, ADatasetsPartitioningsGoWithItByForceOnly) {
  const Dataset mixed = add_dataset("mixed", "text");
  divide(mixed, "topics");
  NewModel expert = new_model("team/wax", "adapter");
  expert.kind = ModelKind::kAdapter;
  expert.lineage.dataset_sha256 = mixed.blob;
  ASSERT_TRUE(catalogue->add_model(expert).ok());
  EXPECT_EQ(catalogue->remove_dataset("mixed").code(), Code::kConflict);
  const auto removal = catalogue->remove_dataset("mixed", {.force = true});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_THAT(removal->dependents, ElementsAre("partitioning 1 of mixed@1"));
  EXPECT_THAT(removal->named_by, ElementsAre("team/wax@1"));
  EXPECT_TRUE(catalogue->list_datasets().value().empty());
  EXPECT_EQ(catalogue->find_partitioning(1).code(), Code::kNotFound);
  EXPECT_EQ(num_blobs(), 2u) << "the expert's files alone are left";
}

TEST_F(RemovalTest, WhoLearntAPartOfADatasetIsNamed) {
  const Partitioning divided = divide(add_dataset("mixed", "text"), "topics");
  const auto expert_of = [&](const std::string& name, const Json& details) {
    NewModel expert = new_model(name, name);
    expert.kind = ModelKind::kAdapter;
    expert.lineage.details = details;
    ASSERT_TRUE(catalogue->add_model(expert).ok());
  };
  expert_of("team/wax", Json{{"partitioning", divided.id}, {"partition", "wax"}});
  expert_of("team/other", Json{{"partitioning", divided.id + 1}, {"partition", "wax"}});
  expert_of("team/free", Json::object());
  const auto removal = catalogue->remove_dataset("mixed", {.dry_run = true});
  ASSERT_TRUE(removal.ok()) << removal.status().message();
  EXPECT_THAT(removal->named_by, ElementsAre("team/wax@1"));
}

TEST_F(RemovalTest, AnEndpointKeepsTheTopicModelItRoutesBy) {
  add("bee");
  const Partitioning divided = divide(add_dataset("mixed", "text"), "topics");
  ASSERT_TRUE(catalogue
                  ->put_deployment(
                      {.name = "home", .core = "bee", .topic_model_blob = divided.topic_model_blob})
                  .ok());
  ASSERT_TRUE(catalogue->remove_dataset("mixed", {.force = true}).ok());
  EXPECT_TRUE(catalogue->blobs().has(divided.topic_model_blob));
  EXPECT_TRUE(catalogue->verify_all().value().empty());
}

TEST_F(RemovalTest, ADatasetAJobReadsStays) {
  const Dataset mixed = add_dataset("mixed", "text");
  const auto path = catalogue->blobs().path_of(mixed.blob).value();
  const auto job = catalogue->add_job("train", Json{{"data", path.string()}}).value();
  EXPECT_THAT(catalogue->remove_dataset("mixed").status().message(), HasSubstr(job.id));
}

TEST_F(RemovalTest, TheLastJobOfAFolderTakesItAlong) {
  const auto run = home.jobs / "train-abc";
  std::filesystem::create_directories(run / "deep");
  test::write_plain(run / "deep" / "log.txt", "log");
  const auto first = catalogue->add_job("train", {}, "train-abc").value();
  const auto second = catalogue->add_job("train", {}, "train-abc").value();
  EXPECT_EQ(catalogue->folder_of(first), run);
  EXPECT_EQ(catalogue->remove_job(first.id).code(), Code::kConflict);
  for (const auto& job : {first, second}) ASSERT_TRUE(catalogue->cancel_job(job.id, "test").ok());
  ASSERT_TRUE(catalogue->remove_job(first.id).ok());
  EXPECT_TRUE(std::filesystem::exists(run / "deep" / "log.txt"));
  ASSERT_TRUE(catalogue->remove_job(second.id).ok());
  EXPECT_EQ(test::num_entries(home.jobs), 0u);
  EXPECT_THAT(catalogue->list_jobs().value(), IsEmpty());
}

TEST_F(RemovalTest, AFolderThatADeadProcessWasRemovingGoesWithTheNextRemoval) {
  std::filesystem::create_directories(home.jobs / ".removed-999999999-1-abcd" / "deep");
  std::filesystem::create_directories(home.jobs / ".removed-not-ours");
  const auto job = catalogue->add_job("train", {}).value();
  ASSERT_TRUE(catalogue->cancel_job(job.id, "test").ok());
  ASSERT_TRUE(catalogue->remove_job(job.id).ok());
  EXPECT_FALSE(std::filesystem::exists(home.jobs / ".removed-999999999-1-abcd"));
  EXPECT_TRUE(std::filesystem::exists(home.jobs / ".removed-not-ours"));
}

// ---- A removal that is broken at every single step it takes.

class RemovalCrashTest : public ::testing::TestWithParam<FaultKind> {};

std::string name_of(const ::testing::TestParamInfo<FaultKind>& info) {
  constexpr std::array<const char*, 4> kNames = {"Fail", "Kill", "Power", "PowerKeepingNames"};
  return kNames[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(EveryFault, RemovalCrashTest,
                         ::testing::Values(FaultKind::kFail, FaultKind::kKill, FaultKind::kPower,
                                           FaultKind::kPowerKeepingNames),
                         name_of);

NewModel model_of(const test::TemporaryFolder& folder, const std::string& name,
                  const std::string& content) {
  NewModel model{.name = name};
  model.files["model.gguf"] = test::write_plain(folder / (name + ".gguf"), content);
  model.files["config.json"] = test::write_plain(folder / "config", "{}");
  return model;
}

// Two models that share a file: one goes. Whatever happens, the other one is whole, the first one
// is whole or gone, and a second try leaves nothing of it behind.
TEST_P(RemovalCrashTest, LosesNothingThatIsReferredTo) {
  ManualClock clock(4'000'000'000'000);  // So late that every file is old enough to be swept.
  std::uint64_t step = 0;
  for (bool has_struck = true; has_struck && !HasFailure(); ++step) {
    SCOPED_TRACE(fmt::format("fault at step {}", step));
    const test::TemporaryFolder folder;
    const auto home = store::open_home(store::posix_file_system(), folder / "home").value();
    {
      const auto catalogue = Catalogue::open(store::posix_file_system(), home, clock).value();
      const auto bee = catalogue->add_model(model_of(folder, "bee", "weights of bee")).value();
      ASSERT_TRUE(catalogue->add_model(model_of(folder, "wasp", "weights of wasp")).ok());
      ASSERT_TRUE(catalogue->materialise(bee).ok());
    }
    bool was_removed = false;
    {
      FaultyFileSystem files({GetParam(), step});
      const auto catalogue = Catalogue::open(files, home, clock);
      if (catalogue.ok()) was_removed = (*catalogue)->remove_model("bee").ok();
      has_struck = files.has_struck();
    }
    const auto catalogue = Catalogue::open(store::posix_file_system(), home, clock);
    ASSERT_TRUE(catalogue.ok()) << catalogue.status().message();
    EXPECT_TRUE((*catalogue)->verify_all().value().empty());
    EXPECT_TRUE((*catalogue)->resolve("wasp").ok());
    const auto bee = (*catalogue)->resolve("bee");
    EXPECT_FALSE(was_removed && bee.ok()) << "an acknowledged removal came back";
    if (bee.ok()) {
      EXPECT_TRUE((*catalogue)->materialise(bee->model).ok());
      EXPECT_TRUE((*catalogue)->remove_model("bee").ok());
    }
    // The next removal of anything takes along what the fault left.
    ASSERT_TRUE((*catalogue)->add_model(model_of(folder, "ant", "weights of ant")).ok());
    ASSERT_TRUE((*catalogue)->remove_model("ant").ok());
    EXPECT_EQ((*catalogue)->blobs().list().value().size(), 2u);
    EXPECT_FALSE(std::filesystem::exists(home.models / "bee" / "1"));
  }
  EXPECT_GT(step, 10u) << "too few steps: is something not going through the seam?";
}

}  // namespace
}  // namespace panal::registry
