// Datasets: a division is registered in one step, with its difficulty where the core told it.
#include "hub/datasets.h"

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
    Json losses = Json::array();
    for (int i = 0; i < 40; ++i) losses.push_back(i == 7 ? Json(nullptr) : Json(1.0 + i));
    return Json{{"losses", losses}};
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
  runner.answers("losses", Json{{"losses", {1.0}}});
  EXPECT_EQ(partition_dataset(*hive, {.dataset = "mixed", .core = "bee"}, {}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(catalogue().find_partitioning(1).code(), Code::kNotFound);
  EXPECT_EQ(partition_dataset(*hive, {.dataset = "nothing"}, {}).code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::hub
