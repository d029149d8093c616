// Models, experts and endpoints are asked for in one place, so that a name means one thing,
// whatever the order in which it was given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;
using Use = Catalogue::NameUse;
using NamesTest = CatalogueTest;

TEST_F(NamesTest, AModelsNameIsRefusedToAnEndpoint) {
  add("bee");
  add("wasp");
  add_adapter("wax", "bee@1");
  for (const char* taken : {"bee", "wasp", "wax"}) {
    const auto refused = catalogue->put_deployment({.name = taken, .core = "bee"});
    EXPECT_EQ(refused.code(), Code::kConflict) << taken;
    EXPECT_THAT(refused.status().message(), HasSubstr(taken));
  }
  EXPECT_TRUE(catalogue->list_deployments().value().empty());
}

TEST_F(NamesTest, AnEndpointsNameIsRefusedToAModelAndTheSentenceSaysWhoHasIt) {
  add("bee");
  ASSERT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee"}).ok());
  const auto base = catalogue->add_model(new_model("home"));
  EXPECT_EQ(base.code(), Code::kConflict);
  EXPECT_THAT(base.status().message(), HasSubstr("an endpoint already, whose core is bee@1"));
  NewModel adapter = new_model("home");
  adapter.kind = ModelKind::kAdapter;
  EXPECT_EQ(catalogue->add_model(adapter).code(), Code::kConflict);
  EXPECT_EQ(catalogue->list_models().value().size(), 1u);
}

TEST_F(NamesTest, NextVersionsAndReplacementsKeepTheirName) {
  add("bee");
  ASSERT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee"}).ok());
  EXPECT_EQ(add("bee", "more").version, 2);
  EXPECT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee@2"}).ok());
  EXPECT_TRUE(catalogue->check_name_is_free("bee", Use::kBaseModel).ok());
  EXPECT_TRUE(catalogue->check_name_is_free("home", Use::kEndpoint).ok());
}

TEST_F(NamesTest, WhatARequestMayAskForAnywayIsReserved) {
  add("bee");
  EXPECT_EQ(catalogue->add_model(new_model("auto")).code(), Code::kInvalidArgument);
  EXPECT_EQ(catalogue->put_deployment({.name = "auto", .core = "bee"}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(catalogue->check_name_is_free("auto", Use::kAdapter).code(), Code::kInvalidArgument);
  // Only among experts "core" has a meaning.
  EXPECT_EQ(catalogue->check_name_is_free("core", Use::kAdapter).code(), Code::kInvalidArgument);
  EXPECT_TRUE(catalogue->add_model(new_model("core")).ok());
}

TEST_F(NamesTest, ANameIsFreeAgainWhenItsHolderIsGone) {
  add("bee");
  ASSERT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee"}).ok());
  EXPECT_EQ(catalogue->check_name_is_free("home", Use::kBaseModel).code(), Code::kConflict);
  ASSERT_TRUE(catalogue->remove_deployment("home").ok());
  EXPECT_TRUE(catalogue->check_name_is_free("home", Use::kBaseModel).ok());
  ASSERT_TRUE(catalogue->remove_model("bee").ok());
  EXPECT_TRUE(catalogue->check_name_is_free("bee", Use::kEndpoint).ok());
}

// Homes from before this rule: what is there is read as ever and may be replaced.
TEST_F(NamesTest, AnOlderHomeWithAClashIsReadAndGoesOn) {
  add("bee");
  ASSERT_TRUE(catalogue->put_deployment({.name = "home", .core = "bee"}).ok());
  catalogue.reset();
  {
    auto database = store::Database::open(home.database).value();
    ASSERT_TRUE(database.run("UPDATE deployments SET name = 'bee'").ok());
  }
  reopen();
  EXPECT_EQ(catalogue->find_deployment("bee").value().core.label(), "bee@1");
  EXPECT_EQ(catalogue->resolve("bee").value().model.label(), "bee@1");
  EXPECT_EQ(add("bee", "more").version, 2);
  EXPECT_TRUE(catalogue->put_deployment({.name = "bee", .core = "bee@2"}).ok());
}

}  // namespace
}  // namespace panal::registry
