// Endpoints: a core and its experts, each with the number of the partition it was trained on.
#include "hub/endpoints.h"

#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

TEST_F(HiveTest, AnExpertAnswersForThePartitionOfItsLineage) {
  const auto core = add_core("bee");
  add_expert("team/wax", core, Json{{"partitioning", 1}, {"partition", "wax"}});
  add_expert("team/free", core);
  const auto text = test::write_plain(folder / "text.jsonl", "{\"text\":\"x\"}\n");
  const auto dataset =
      catalogue().add_dataset({.name = "mixed", .file = text, .num_documents = 1}).value();
  const auto partitioning =
      catalogue()
          .add_partitioning({.dataset_id = dataset.id,
                             .partitioning_json = "{}",
                             .topic_model_json = "{\"topics\":1}",
                             .partitions = {{.number = 4, .label = "wax", .num_documents = 1}}})
          .value();
  const auto endpoint = deploy(*hive, {.name = "home",
                                       .core = "bee",
                                       .experts = {"team/wax", "team/free"},
                                       .partitioning = partitioning.id});
  ASSERT_TRUE(endpoint.ok()) << endpoint.status().message();
  EXPECT_TRUE(endpoint->is_default);
  EXPECT_EQ(endpoint->topic_model_blob, partitioning.topic_model_blob);
  ASSERT_EQ(endpoint->experts.size(), 2u);
  EXPECT_EQ(endpoint->experts[0].label, "wax");
  EXPECT_EQ(endpoint->experts[0].partition, 4);
  EXPECT_EQ(endpoint->experts[1].label, "team/free");
  EXPECT_EQ(endpoint->experts[1].partition, std::nullopt);
}

TEST_F(HiveTest, AnEndpointIsTakenDownAndItsModelsStay) {
  add_core("bee");
  ASSERT_TRUE(deploy(*hive, {.name = "home", .core = "bee"}).ok());
  EXPECT_EQ(list_endpoints(*hive).value().size(), 1u);
  ASSERT_TRUE(undeploy(*hive, "home").ok());
  EXPECT_TRUE(list_endpoints(*hive).value().empty());
  EXPECT_EQ(models().size(), 1u);
  EXPECT_EQ(undeploy(*hive, "home").code(), Code::kNotFound);
}

TEST_F(HiveTest, WhatDoesNotExistCannotAnswer) {
  EXPECT_EQ(deploy(*hive, {.name = "home", .core = "bee"}).code(), Code::kNotFound);
  add_core("bee");
  EXPECT_EQ(deploy(*hive, {.name = "home", .core = "bee", .experts = {"nobody"}}).code(),
            Code::kNotFound);
  EXPECT_EQ(deploy(*hive, {.name = "home", .core = "bee", .partitioning = 9}).code(),
            Code::kNotFound);
  EXPECT_TRUE(list_endpoints(*hive).value().empty());
}

}  // namespace
}  // namespace panal::hub
