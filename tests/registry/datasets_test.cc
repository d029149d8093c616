// Datasets with versions, and the partitionings of a version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;

class DatasetsTest : public CatalogueTest {
 protected:
  NewDataset new_dataset(const std::string& content, const std::string& name = "mixed") {
    return NewDataset{.name = name,
                      .file = test::write_plain(folder / "data.jsonl", content),
                      .num_documents = 3,
                      .licence = "CC0-1.0",
                      .source = "a test"};
  }
  NewPartitioning two_partitions(std::int64_t dataset_id) {
    NewPartitioning made{
        .dataset_id = dataset_id, .partitioning_json = "{\"k\":2}", .topic_model_json = "{}"};
    made.partitions.push_back(
        {.number = 1,
         .label = "legal",
         .num_documents = 2,
         .files = {{"train", test::write_plain(folder / "t", "train")},
                   {"validation", test::write_plain(folder / "v", "validation")}},
         .details = Json{{"language", "en"}}});
    made.partitions.push_back({.number = 0, .label = "python", .num_documents = 1});
    return made;
  }
};

TEST_F(DatasetsTest, KeepTheirContentUnderItsHash) {
  const Dataset added = catalogue->add_dataset(new_dataset("{\"text\":\"a\"}\n")).value();
  reopen();
  const Dataset found = catalogue->find_dataset("mixed").value();
  EXPECT_EQ(to_json(found), to_json(added));
  EXPECT_EQ(found.blob, sha256_hex("{\"text\":\"a\"}\n"));
  EXPECT_EQ(found.num_bytes, 13u);
  EXPECT_EQ(found.num_documents, 3u);
  EXPECT_EQ(found.licence, "CC0-1.0");
  EXPECT_EQ(catalogue->blobs().read(found.blob, 100).value(), "{\"text\":\"a\"}\n");
}

TEST_F(DatasetsTest, GetANewVersionOnlyForNewContent) {
  EXPECT_EQ(catalogue->add_dataset(new_dataset("a")).value().label(), "mixed@1");
  EXPECT_EQ(catalogue->add_dataset(new_dataset("a")).value().label(), "mixed@1");
  EXPECT_EQ(catalogue->add_dataset(new_dataset("b")).value().label(), "mixed@2");
  EXPECT_EQ(catalogue->find_dataset("mixed").value().version, 2);
  EXPECT_EQ(catalogue->find_dataset("mixed@1").value().blob, sha256_hex("a"));
  EXPECT_EQ(catalogue->list_datasets().value().size(), 2u);
}

TEST_F(DatasetsTest, AreAskedForByWordsThatHelp) {
  ASSERT_TRUE(catalogue->add_dataset(new_dataset("a")).ok());
  EXPECT_THAT(catalogue->find_dataset("mixd").status().message(),
              HasSubstr("did you mean \"mixed\"?"));
  EXPECT_THAT(catalogue->find_dataset("mixed@4").status().message(), HasSubstr("its newest is 1"));
  EXPECT_EQ(catalogue->find_dataset("mixed@x").code(), Code::kInvalidArgument);
  EXPECT_EQ(catalogue->add_dataset(new_dataset("a", "Bad/Name")).code(), Code::kInvalidArgument);
}

TEST_F(DatasetsTest, CarryPartitioningsWithTheirFiles) {
  const Dataset dataset = catalogue->add_dataset(new_dataset("a")).value();
  const Partitioning added = catalogue->add_partitioning(two_partitions(dataset.id)).value();
  ASSERT_TRUE(catalogue->add_partitioning(two_partitions(dataset.id)).ok());
  reopen();
  const Partitioning found = catalogue->find_partitioning(added.id).value();
  EXPECT_EQ(to_json(found), to_json(added));
  EXPECT_EQ(found.dataset.label(), "mixed@1");
  EXPECT_EQ(catalogue->blobs().read(found.partitioning_blob, 100).value(), "{\"k\":2}");
  EXPECT_EQ(catalogue->blobs().read(found.topic_model_blob, 100).value(), "{}");
  ASSERT_EQ(found.partitions.size(), 2u);
  EXPECT_EQ(found.partitions[0].label, "python");
  EXPECT_EQ(found.partitions[1].details.at("language"), "en");
  ASSERT_EQ(found.partitions[1].files.size(), 2u);
  EXPECT_EQ(found.partitions[1].files[1].role, "validation");
  EXPECT_EQ(found.partitions[1].files[1].blob, sha256_hex("validation"));
  const auto all = catalogue->list_partitionings(dataset.id).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_GT(all[0].id, all[1].id);
}

TEST_F(DatasetsTest, RefusePartitioningsThatMakeNoSense) {
  const Dataset dataset = catalogue->add_dataset(new_dataset("a")).value();
  EXPECT_EQ(catalogue->add_partitioning(two_partitions(dataset.id + 1)).code(), Code::kNotFound);
  NewPartitioning twice = two_partitions(dataset.id);
  twice.partitions[1].number = 1;
  EXPECT_EQ(catalogue->add_partitioning(twice).code(), Code::kInvalidArgument);
  NewPartitioning missing = two_partitions(dataset.id);
  missing.partitions[1].files["train"] = folder / "missing";
  EXPECT_EQ(catalogue->add_partitioning(missing).code(), Code::kNotFound);
  EXPECT_EQ(catalogue->add_partitioning({.dataset_id = dataset.id}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(catalogue->list_partitionings(dataset.id).value().empty());
}

}  // namespace
}  // namespace panal::registry
