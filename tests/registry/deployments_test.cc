// Endpoints: a core and its experts, replaced as a whole, one of them the default.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;

class DeploymentsTest : public CatalogueTest {
 protected:
  void SetUp() override {
    CatalogueTest::SetUp();
    core = add("core");
    legal = add_adapter("core/legal", "core@1");
    python = add_adapter("core/python");
  }
  NewDeployment group(const std::string& name) {
    NewDeployment made{.name = name, .core = "core"};
    made.experts.push_back({.model = "core/python", .label = "python", .partition = 1});
    made.experts.push_back({.model = "core/legal@1", .label = "legal", .partition = 0});
    made.topic_model_blob = catalogue->blobs().put_bytes("{\"topics\":[]}").value();
    return made;
  }
  ModelVersion core, legal, python;
};

TEST_F(DeploymentsTest, KeepTheirOrderAndTheVersionsOfTheirDay) {
  const Deployment made = catalogue->put_deployment(group("demo")).value();
  add("core", "a newer core");
  reopen();
  const Deployment found = catalogue->find_deployment("demo").value();
  EXPECT_EQ(to_json(found), to_json(made));
  EXPECT_EQ(found.core.label(), "core@1");
  ASSERT_EQ(found.experts.size(), 2u);
  EXPECT_EQ(found.experts[0].label, "python");
  EXPECT_EQ(found.experts[0].partition, 1);
  EXPECT_EQ(found.experts[1].model.label(), "core/legal@1");
  EXPECT_EQ(catalogue->blobs().read(found.topic_model_blob, 100).value(), "{\"topics\":[]}");
}

TEST_F(DeploymentsTest, AreReplacedAsAWhole) {
  ASSERT_TRUE(catalogue->put_deployment(group("demo")).ok());
  clock.advance(std::chrono::seconds(1));
  NewDeployment smaller{.name = "demo", .core = "core"};
  smaller.experts.push_back({.model = "core/legal", .label = "law"});
  const Deployment replaced = catalogue->put_deployment(smaller).value();
  EXPECT_EQ(replaced.revision, 2);
  EXPECT_TRUE(replaced.is_default);
  EXPECT_EQ(replaced.updated_unix_ms, replaced.created_unix_ms + 1000);
  ASSERT_EQ(replaced.experts.size(), 1u);
  EXPECT_EQ(replaced.experts[0].partition, std::nullopt);
  EXPECT_EQ(replaced.topic_model_blob, "");
  EXPECT_EQ(catalogue->list_deployments().value().size(), 1u);
}

TEST_F(DeploymentsTest, StayAsTheyWereWhenAReplacementIsRefused) {
  const Deployment before = catalogue->put_deployment(group("demo")).value();
  NewDeployment bad = group("demo");
  bad.experts[1].model = "core/missing";
  EXPECT_EQ(catalogue->put_deployment(bad).code(), Code::kNotFound);
  bad = group("demo");
  bad.experts[1].label = "python";
  EXPECT_EQ(catalogue->put_deployment(bad).code(), Code::kInvalidArgument);
  bad = group("demo");
  bad.experts[1].partition = 1;
  EXPECT_EQ(catalogue->put_deployment(bad).code(), Code::kInvalidArgument);
  bad = group("demo");
  bad.topic_model_blob = std::string(64, '0');
  EXPECT_EQ(catalogue->put_deployment(bad).code(), Code::kNotFound);
  bad = group("demo");
  bad.core = "core/legal";
  EXPECT_THAT(catalogue->put_deployment(bad).status().message(), HasSubstr("must be a base model"));
  bad = group("demo");
  bad.experts[0].model = "core";
  EXPECT_THAT(catalogue->put_deployment(bad).status().message(),
              HasSubstr("must be an adapter model"));
  EXPECT_EQ(to_json(catalogue->find_deployment("demo").value()), to_json(before));
}

TEST_F(DeploymentsTest, RefuseAnExpertOfAnotherCore) {
  add("core", "a newer core");
  const auto refused = catalogue->put_deployment(group("demo"));
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(), HasSubstr("core/legal@1 was trained on core@1"));
  EXPECT_EQ(catalogue->find_deployment("demo").code(), Code::kNotFound);
}

TEST_F(DeploymentsTest, RefuseARetiredModel) {
  ASSERT_TRUE(catalogue->move_model(python.id, Lifecycle::kRetired, "old").ok());
  NewDeployment made = group("demo");
  made.experts[0].model = "core/python@1";
  EXPECT_THAT(catalogue->put_deployment(made).status().message(), HasSubstr("it is retired"));
}

TEST_F(DeploymentsTest, HaveOneDefault) {
  EXPECT_THAT(catalogue->default_deployment().status().message(),
              HasSubstr("nothing is deployed yet"));
  ASSERT_TRUE(catalogue->put_deployment(group("a")).ok());
  ASSERT_TRUE(catalogue->put_deployment(group("b")).ok());
  EXPECT_EQ(catalogue->default_deployment().value().name, "a");
  NewDeployment third = group("c");
  third.make_default = true;
  ASSERT_TRUE(catalogue->put_deployment(third).ok());
  EXPECT_EQ(catalogue->default_deployment().value().name, "c");
  ASSERT_TRUE(catalogue->make_default("b").ok());
  EXPECT_EQ(catalogue->default_deployment().value().name, "b");
  EXPECT_EQ(catalogue->make_default("d").code(), Code::kNotFound);
  EXPECT_EQ(catalogue->default_deployment().value().name, "b");
}

TEST_F(DeploymentsTest, PassTheDefaultOnOnlyWhenOneIsLeft) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(catalogue->put_deployment(group(name)).ok());
  ASSERT_TRUE(catalogue->remove_deployment("a").ok());
  EXPECT_THAT(catalogue->default_deployment().status().message(),
              HasSubstr("no endpoint is the default"));
  ASSERT_TRUE(catalogue->remove_deployment("b").ok());
  EXPECT_EQ(catalogue->default_deployment().value().name, "c");
  EXPECT_EQ(catalogue->remove_deployment("b").code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::registry
