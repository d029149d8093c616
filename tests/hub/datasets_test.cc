// Datasets: a division is registered in one step, with its difficulty where the core told it.
#include "hub/datasets.h"

#include "hub/add_dataset.h"
#include "hub/partition_dataset.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

class DatasetsTest : public HiveTest {
 protected:
  void SetUp() override {
    HiveTest::SetUp();
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      const bool is_spanish = i % 2 == 0;
      lines += to_line(Json{
          {"text", is_spanish ? "En un lugar de la Mancha vivía un hidalgo de lanza en astillero, "
                                "número " +
                                    std::to_string(i)
                              : "The warranty of this licence is limited to what the law of the "
                                "state requires, number " +
                                    std::to_string(i)},
          {"source", is_spanish ? "/books/quijote.txt" : "/licences/gpl.txt"}});
      lines += '\n';
    }
    const auto file = test::write_plain(folder / "mixed.jsonl", lines);
    ASSERT_TRUE(catalogue().add_dataset({.name = "mixed", .file = file, .num_documents = 40}).ok());
  }
};

TEST_F(DatasetsTest, ADivisionIsRegisteredWithTrainingAndValidationText) {
  const auto divided = partition_dataset(
      *hive, {.dataset = "mixed", .origins = {{"prose", "/books"}, {"law", "/licences"}}}, watch());
  ASSERT_TRUE(divided.ok()) << divided.status().message();
  EXPECT_EQ(divided->documents, 40);
  EXPECT_EQ(divided->purity, 1.0);
  EXPECT_EQ(divided->partitions.size(), 2u);
  EXPECT_FALSE(divided->partitions[0].difficulty.has_value());
  const auto stored = catalogue().find_partitioning(divided->partitioning).value();
  ASSERT_EQ(stored.partitions.size(), 2u);
  for (const auto& partition : stored.partitions) {
    ASSERT_EQ(partition.files.size(), 2u);
    EXPECT_EQ(partition.files[0].role, "train");
  }
  EXPECT_TRUE(runner.jobs.empty());
  EXPECT_EQ(test::num_entries(hive->home().run), 0u);
}

TEST_F(DatasetsTest, TheCoresLossTellsTheDifficulty) {
  add_core("bee");
  runner.scripts["losses"] = [](const auto&, const auto&) -> Result<Json> {
    work::DocumentLosses found;
    for (int i = 0; i < 40; ++i) found.losses.push_back(1.0 + i);
    found.losses[7].reset();
    return work::encode(found);
  };
  const auto divided = partition_dataset(*hive, {.dataset = "mixed", .core = "bee"}, {});
  ASSERT_TRUE(divided.ok()) << divided.status().message();
  std::int64_t known = 0;
  for (const auto& partition : divided->partitions) {
    ASSERT_TRUE(partition.difficulty.has_value());
    known += partition.difficulty->easy + partition.difficulty->medium + partition.difficulty->hard;
  }
  EXPECT_EQ(known, 39) << "the document without a loss has no difficulty";
}

TEST_F(DatasetsTest, AFailureRegistersNothing) {
  add_core("bee");
  runner.answers<work::DocumentLossesJob>({.losses = {1.0}});
  EXPECT_EQ(partition_dataset(*hive, {.dataset = "mixed", .core = "bee"}, {}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(catalogue().find_partitioning(1).code(), Code::kNotFound);
  EXPECT_EQ(partition_dataset(*hive, {.dataset = "nothing"}, {}).code(), Code::kNotFound);
}

TEST_F(DatasetsTest, WhatIsReadIsRegisteredAndWhatRepeatsIsTold) {
  const auto once = test::write_plain(folder / "once.txt", "Bees dance to tell the way.\n");
  const auto again = test::write_plain(folder / "twice.txt", "Bees dance to tell  the way.\n");
  AddDataset request{.name = "bees", .paths = {once, again}, .licence = "MIT"};
  const auto added = add_dataset(*hive, request, {});
  ASSERT_TRUE(added.ok()) << added.status().message();
  EXPECT_EQ(added->dataset.label(), "bees@1");
  EXPECT_EQ(added->dataset.num_documents, 2u);
  EXPECT_EQ(added->duplicate_documents, 0);
  request.deduplicate = "exact";
  const auto fewer = add_dataset(*hive, request, {});
  ASSERT_TRUE(fewer.ok()) << fewer.status().message();
  EXPECT_EQ(fewer->dataset.label(), "bees@2");
  EXPECT_EQ(fewer->dataset.num_documents, 1u);
  EXPECT_EQ(fewer->duplicate_documents, 1);
  EXPECT_EQ(fewer->duplicates.size(), 2u);
  EXPECT_EQ(add_dataset(*hive, request, {})->dataset.label(), "bees@2");
  EXPECT_EQ(test::num_entries(hive->home().run), 0u);
}

TEST_F(DatasetsTest, AReadingThatFailsOrIsStoppedRegistersNothing) {
  const auto text = test::write_plain(folder / "text.txt", "Bees dance to tell the way.\n");
  EXPECT_EQ(add_dataset(*hive, {.name = "Bees!", .paths = {text}}, {}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(add_dataset(*hive, {.name = "bees", .paths = {folder / "nowhere"}}, {}).code(),
            Code::kNotFound);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(
      add_dataset(*hive, {.name = "bees", .paths = {text}}, {.stop = stop.get_token()}).code(),
      Code::kCancelled);
  EXPECT_EQ(catalogue().list_datasets().value().size(), 1u);
  EXPECT_EQ(test::num_entries(hive->home().run), 0u);
}

TEST_F(DatasetsTest, ADatasetIsShownWithWhatDividesIt) {
  ASSERT_TRUE(partition_dataset(*hive, {.dataset = "mixed"}, {}).ok());
  const auto shown = show_dataset(*hive, "mixed");
  ASSERT_TRUE(shown.ok()) << shown.status().message();
  EXPECT_EQ(shown->dataset.label(), "mixed@1");
  EXPECT_EQ(shown->partitionings.size(), 1u);
  EXPECT_EQ(to_json(*shown), to_json(list_datasets(*hive).value()[0]));
  EXPECT_EQ(show_dataset(*hive, "mixxed").code(), Code::kNotFound);
}

TEST_F(DatasetsTest, AnExportedDatasetIsTheOneThatWasRegistered) {
  const auto dataset = export_dataset(*hive, {.dataset = "mixed", .file = folder / "out.jsonl"});
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  EXPECT_EQ(test::read_plain(folder / "out.jsonl"), test::read_plain(folder / "mixed.jsonl"));
  const auto blob = catalogue().blobs().path_of(dataset->blob).value();
  std::filesystem::permissions(blob, std::filesystem::perms::owner_all);
  test::write_plain(blob, "damaged");
  EXPECT_EQ(export_dataset(*hive, {.dataset = "mixed", .file = folder / "damaged.jsonl"}).code(),
            Code::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(folder / "damaged.jsonl"));
}

}  // namespace
}  // namespace panal::hub
