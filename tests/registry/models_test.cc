// Registering models, and what references to them mean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;
using ModelsTest = CatalogueTest;

TEST_F(ModelsTest, KeepEverythingTheyWereGivenOverARestart) {
  NewModel model = new_model("smol");
  model.architecture = Json{{"layers", 30}};
  model.lineage = Lineage{.dataset_sha256 = "d",
                          .code_version = "c",
                          .config_sha256 = "f",
                          .run_id = "r",
                          .parent = "other@2",
                          .source = "smol.gguf",
                          .details = Json{{"seed", 7}}};
  const ModelVersion added = catalogue->add_model(model).value();
  reopen();
  const ModelVersion found = catalogue->find_model(added.id).value();
  EXPECT_EQ(to_json(found), to_json(added));
  EXPECT_EQ(found.label(), "smol@1");
  EXPECT_EQ(found.state, Lifecycle::kCandidate);
  EXPECT_EQ(found.created_unix_ms, clock.unix_ms());
  EXPECT_EQ(found.architecture.at("layers"), 30);
  EXPECT_EQ(to_json(found.lineage), to_json(model.lineage));
  ASSERT_EQ(found.files.size(), 2u);
  EXPECT_EQ(found.files[0].name, "config.json");
  EXPECT_EQ(found.num_bytes(), 9u);
}

// A part that is not said is unknown: neither the partitioning 0 nor a label without one.
TEST(Lineage, SaysWhichPartitionWasLearntOrNothing) {
  const Lineage whole{.details = Json{{"partitioning", 3}, {"partition", "wax"}}};
  const auto learnt = learnt_partition(whole);
  ASSERT_TRUE(learnt);
  EXPECT_EQ(learnt->partitioning, 3);
  EXPECT_EQ(learnt->label, "wax");
  for (const Json& details : {Json::object(), Json{{"partition", "wax"}}, Json{{"partitioning", 3}},
                              Json{{"partitioning", 0}, {"partition", "wax"}},
                              Json{{"partitioning", "3"}, {"partition", "wax"}},
                              Json{{"partitioning", 3}, {"partition", nullptr}}}) {
    EXPECT_FALSE(learnt_partition({.details = details})) << details;
  }
}

TEST_F(ModelsTest, CountVersionsWithinTheirName) {
  EXPECT_EQ(add("a").version, 1);
  EXPECT_EQ(add("b").version, 1);
  EXPECT_EQ(add("a", "other").version, 2);
  std::vector<std::string> labels;
  const auto models = catalogue->list_models().value();
  for (const auto& model : models) labels.push_back(model.label());
  EXPECT_EQ(labels, (std::vector<std::string>{"a@1", "a@2", "b@1"}));
}

TEST_F(ModelsTest, ReuseAnIdenticalVersionOnlyWhenAsked) {
  NewModel model = new_model("a");
  ASSERT_EQ(catalogue->add_model(model).value().version, 1);
  EXPECT_EQ(catalogue->add_model(model).value().version, 2);
  model.reuse_identical = true;
  EXPECT_EQ(catalogue->add_model(model).value().version, 2);
  model.files["model.gguf"] = test::write_plain(folder / "changed", "changed");
  EXPECT_EQ(catalogue->add_model(model).value().version, 3);
}

TEST_F(ModelsTest, DoNotReuseARetiredVersion) {
  NewModel model = new_model("a");
  model.reuse_identical = true;
  const ModelVersion first = catalogue->add_model(model).value();
  ASSERT_TRUE(catalogue->move_model(first.id, Lifecycle::kRetired, "broken").ok());
  EXPECT_EQ(catalogue->add_model(model).value().version, 2);
}

TEST_F(ModelsTest, AreRefusedUnderABadNameWithTheRule) {
  for (const char* name : {"", "A", "-a", "a b", "a/b", "../a", "a@1", "ñ"}) {
    EXPECT_EQ(catalogue->add_model(new_model(name)).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(catalogue->add_model(new_model(std::string(65, 'a'))).code(), Code::kInvalidArgument);
  EXPECT_TRUE(catalogue->add_model(new_model(std::string(64, 'a'))).ok());
  EXPECT_THAT(catalogue->add_model(new_model("My Model")).status().message(),
              HasSubstr("found \"My Model\""));
}

TEST_F(ModelsTest, MayHaveOneSlashWhenTheyAreAdapters) {
  EXPECT_TRUE(check_model_name("smol/legal", ModelKind::kAdapter).ok());
  EXPECT_TRUE(check_model_name("smol/7b", ModelKind::kAdapter).ok());
  for (const char* name : {"smol/", "/legal", "a/b/c", "smol/..", "smol/7"}) {
    EXPECT_FALSE(check_model_name(name, ModelKind::kAdapter).ok()) << name;
  }
}

TEST_F(ModelsTest, AreRefusedWithFileNamesThatLeaveTheFolder) {
  for (const char* name : {"../evil", "a/b", "", ".", "..", ".hidden", "a\nb"}) {
    NewModel model = new_model("a");
    model.files[name] = folder / "weights-source";
    EXPECT_EQ(catalogue->add_model(model).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_TRUE(catalogue->list_models().value().empty());
}

TEST_F(ModelsTest, AreRefusedWithoutFilesOrWithAMissingOne) {
  NewModel model = new_model("a");
  model.files["tokenizer.json"] = folder / "missing";
  const auto refused = catalogue->add_model(model);
  EXPECT_EQ(refused.code(), Code::kNotFound);
  EXPECT_THAT(refused.status().message(), HasSubstr("missing"));
  model.files.clear();
  EXPECT_EQ(catalogue->add_model(model).code(), Code::kInvalidArgument);
  EXPECT_TRUE(catalogue->list_models().value().empty());
  EXPECT_EQ(catalogue->resolve("a").code(), Code::kNotFound);
}

TEST_F(ModelsTest, KeepTheKindOfTheirName) {
  add("a");
  NewModel adapter = new_model("a");
  adapter.kind = ModelKind::kAdapter;
  const auto refused = catalogue->add_model(adapter);
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(), HasSubstr("base models already"));
}

TEST_F(ModelsTest, ResolveToThePreferredElseReadyElseCandidateAndSayWhich) {
  add("a");
  add("a");
  EXPECT_EQ(catalogue->resolve("a").value().model.version, 2);
  EXPECT_THAT(catalogue->resolve("a").value().why, HasSubstr("latest candidate"));

  const ModelVersion ready = add_in_state("a", Lifecycle::kReady);
  add("a");
  EXPECT_EQ(catalogue->resolve("a").value().model.id, ready.id);
  EXPECT_THAT(catalogue->resolve("a").value().why, HasSubstr("latest ready"));

  const ModelVersion preferred = add_in_state("a", Lifecycle::kPreferred);
  add_in_state("a", Lifecycle::kReady);
  EXPECT_EQ(catalogue->resolve("a").value().model.id, preferred.id);
  EXPECT_THAT(catalogue->resolve("a").value().why, HasSubstr("preferred"));

  EXPECT_EQ(catalogue->resolve("a@2").value().model.version, 2);
  EXPECT_THAT(catalogue->resolve("a@2").value().why, HasSubstr("asked for"));
}

TEST_F(ModelsTest, AreNotResolvedByChance) {
  add("smollm2");
  EXPECT_THAT(catalogue->resolve("smolm2").status().message(),
              HasSubstr("did you mean \"smollm2\"?"));
  EXPECT_THAT(catalogue->resolve("smollm2@9").status().message(), HasSubstr("its newest is 1"));
  EXPECT_EQ(catalogue->resolve("other@1").code(), Code::kNotFound);
  for (const char* text :
       {"smollm2@", "smollm2@0", "smollm2@-1", "smollm2@1x", "smollm2@99999999999999999999"}) {
    EXPECT_EQ(catalogue->resolve(text).code(), Code::kInvalidArgument) << text;
  }
  EXPECT_EQ(catalogue->resolve("'; DROP TABLE models; --").code(), Code::kNotFound);
  EXPECT_EQ(catalogue->find_model(77).code(), Code::kNotFound);
}

TEST_F(ModelsTest, AreNotResolvedByNameWhenAllAreRetired) {
  const ModelVersion model = add("a");
  ASSERT_TRUE(catalogue->move_model(model.id, Lifecycle::kRetired, "old").ok());
  EXPECT_EQ(catalogue->resolve("a").code(), Code::kConflict);
  EXPECT_EQ(catalogue->resolve("a@1").value().model.state, Lifecycle::kRetired);
}

}  // namespace
}  // namespace panal::registry
