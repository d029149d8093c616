// Import, export, promote: what is registered, in which order, and what a failure leaves behind.
#include "hub/models.h"

#include "hub/export_model.h"
#include "hub/import_model.h"
#include "hub/model_source.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

using registry::Lifecycle;

TEST_F(HiveTest, AnImportIsCheckedFirstAndTrustedThen) {
  const auto added =
      import_model(*hive, {.path = model_file(), .name = "bee", .licence = "MIT"}, {});
  ASSERT_TRUE(added.ok()) << added.status().message();
  EXPECT_EQ(added->label(), "bee@1");
  EXPECT_EQ(added->state, Lifecycle::kPreferred);
  EXPECT_EQ(added->architecture.at("parameters"), 812);
  EXPECT_EQ(added->lineage.source, "weights.gguf");
  EXPECT_EQ(added->lineage.code_version, code_version());
  EXPECT_EQ(added->lineage.details.at("licence"), "MIT");
  ASSERT_EQ(runner.jobs.size(), 1u);
  EXPECT_EQ(runner.jobs[0].spec.at("model"), model_file().string());
}

TEST_F(HiveTest, AModelThatFailsItsCheckIsNotRegistered) {
  runner.fails<work::CheckModelJob>(Status(Code::kCorrupt, "torn at byte 7"));
  const auto added = import_model(*hive, {.path = model_file(), .name = "bee"}, {});
  EXPECT_EQ(added.code(), Code::kCorrupt);
  EXPECT_TRUE(models().empty());
}

TEST_F(HiveTest, ImportingTwiceGivesTheSameVersion) {
  const ImportModel request{.path = model_file(), .name = "bee"};
  const auto first = import_model(*hive, request, {});
  const auto again = import_model(*hive, request, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(models().size(), 1u);
}

// What a crash between registering and trusting leaves is taken on by the next import.
TEST_F(HiveTest, AnImportThatWasCutShortIsFinishedByTheNextOne) {
  const auto left =
      catalogue().add_model({.name = "bee", .files = {{"weights.gguf", model_file()}}}).value();
  ASSERT_EQ(left.state, Lifecycle::kCandidate);
  const auto added = import_model(*hive, {.path = model_file(), .name = "bee"}, {});
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added->id, left.id);
  EXPECT_EQ(added->state, Lifecycle::kPreferred);
}

TEST_F(HiveTest, OfAFolderOnlyWhatPanalReadsComesAlong) {
  const auto source = folder / "model";
  std::filesystem::create_directories(source);
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.json", "README.md", "pytorch_model.bin"}) {
    test::write_plain(source / name, name);
  }
  const auto added = import_model(*hive, {.path = source, .name = "bee"}, {});
  ASSERT_TRUE(added.ok()) << added.status().message();
  std::vector<std::string> names;
  for (const auto& file : added->files) names.push_back(file.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"config.json", "model.safetensors", "tokenizer.json"}));
}

TEST_F(HiveTest, WhatIsNoModelIsRefusedBeforeAnyJob) {
  const auto notes = test::write_plain(folder / "notes.txt", "x");
  EXPECT_EQ(import_model(*hive, {.path = notes, .name = "bee"}, {}).code(), Code::kInvalidArgument);
  EXPECT_EQ(import_model(*hive, {.path = folder / "nothing", .name = "bee"}, {}).code(),
            Code::kNotFound);
  EXPECT_EQ(import_model(*hive, {.path = model_file(), .name = "Bee!"}, {}).code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(runner.jobs.empty());
}

TEST_F(HiveTest, AnExportedFolderGetsItsNameWhenItIsWhole) {
  add_core("bee");
  runner.scripts["export"] = [&](const fleet::EngineJob& job, const auto&) -> Result<Json> {
    const std::filesystem::path output = job.spec.at("output").get<std::string>();
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
    std::filesystem::create_directories(output);
    test::write_plain(output / "config.json", "{}");
    return work::encode(work::ExportedFiles{.folder = output, .parameters = 812});
  };
  const auto exported = export_model(*hive, {.model = "bee", .folder = folder / "out"}, {});
  ASSERT_TRUE(exported.ok()) << exported.status().message();
  EXPECT_EQ(exported->model, "bee@1");
  EXPECT_EQ(exported->folder, folder / "out");
  EXPECT_EQ(exported->parameters, 812);
  EXPECT_EQ(exported->adapter_of, std::nullopt);
  EXPECT_EQ(test::read_plain(folder / "out" / "config.json"), "{}");
}

TEST_F(HiveTest, AnExportThatFailsLeavesNothing) {
  add_core("bee");
  runner.scripts["export"] = [&](const fleet::EngineJob& job, const auto&) -> Result<Json> {
    std::filesystem::create_directories(job.spec.at("output").get<std::string>());
    return Status(Code::kResourceExhausted, "the disk is full");
  };
  const auto exported = export_model(*hive, {.model = "bee", .folder = folder / "out"}, {});
  EXPECT_EQ(exported.code(), Code::kResourceExhausted);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.partial"));
}

TEST_F(HiveTest, AnExpertIsExportedWithoutAnyJobAndMayBeChanged) {
  const auto core = add_core("bee");
  add_expert("team/wax", core);
  const auto exported = export_model(*hive, {.model = "team/wax", .folder = folder / "out"}, {});
  ASSERT_TRUE(exported.ok()) << exported.status().message();
  EXPECT_EQ(exported->adapter_of, "bee@1");
  EXPECT_TRUE(runner.jobs.empty());
  const auto file = folder / "out" / "adapter_model.safetensors";
  EXPECT_EQ(test::read_plain(file), "adapter team/wax");
  EXPECT_NE(std::filesystem::status(file).permissions() & std::filesystem::perms::owner_write,
            std::filesystem::perms::none);
}

TEST_F(HiveTest, AnExportNeverWritesIntoWhatIsThere) {
  add_core("bee");
  std::filesystem::create_directories(folder / "out");
  test::write_plain(folder / "out" / "mine.txt", "mine");
  EXPECT_EQ(export_model(*hive, {.model = "bee", .folder = folder / "out"}, {}).code(),
            Code::kConflict);
  EXPECT_EQ(test::num_entries(folder / "out"), 1u);
}

TEST_F(HiveTest, AModelsHistoryTellsChecksAndMoves) {
  add_core("bee");
  ASSERT_TRUE(
      promote_model(*hive, {.model = "bee@1", .state = "retired", .reason = "too small"}).ok());
  const auto history = show_model(*hive, "bee@1");
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->resolved.why, "version 1 was asked for");
  ASSERT_EQ(history->evaluations.size(), 1u);
  EXPECT_EQ(history->transitions.back().to, Lifecycle::kRetired);
  EXPECT_EQ(to_json(*history).at("history").back().at("reason"), "too small");
  EXPECT_EQ(promote_model(*hive, {.model = "bee@1", .state = "loved", .reason = "x"}).code(),
            Code::kInvalidArgument);
}

TEST_F(HiveTest, DamageIsNamed) {
  const auto core = add_core("bee");
  EXPECT_TRUE(verify_files(*hive).value().empty());
  const auto blob = catalogue().blobs().path_of(core.files[0].blob).value();
  std::filesystem::permissions(blob, std::filesystem::perms::owner_all);
  test::write_plain(blob, "wEights");
  const auto damage = verify_files(*hive).value();
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_NE(damage[0].find("bee@1"), std::string::npos);
}

TEST_F(HiveTest, AModelIsFoundByNameOrByPath) {
  const auto core = add_core("bee");
  add_expert("team/wax", core);
  const auto by_name = find_model_source(*hive, "bee");
  ASSERT_TRUE(by_name.ok());
  EXPECT_TRUE(by_name->is_registered_core());
  const auto expert = find_model_source(*hive, "team/wax");
  ASSERT_TRUE(expert.ok());
  EXPECT_EQ(expert->core, by_name->core);
  EXPECT_TRUE(expert->adapter.has_value());
  EXPECT_FALSE(expert->is_registered_core());
  const auto by_path = find_model_source(*hive, model_file());
  ASSERT_TRUE(by_path.ok());
  EXPECT_FALSE(by_path->version.has_value());
  EXPECT_EQ(find_model_source(*hive, "beee").code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::hub
