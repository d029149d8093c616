// Adapters from outside: which core they belong to, and what makes them experts.
#include "hub/import_expert.h"

#include <gmock/gmock.h>

#include "hub/export_model.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

using registry::Lifecycle;
using testing::HasSubstr;

class ImportExpertTest : public HiveTest {
 protected:
  void SetUp() override {
    HiveTest::SetUp();
    runner.answers<work::CheckAdapterJob>({.rank = 8, .alpha = 16, .parameters = 64});
  }
  // A PEFT folder that names its core.
  std::filesystem::path peft_folder(const std::string& core) {
    const auto path = folder / "adapter";
    std::filesystem::create_directories(path);
    test::write_plain(path / "adapter_config.json",
                      to_line(Json{{"peft_type", "LORA"}, {"base_model_name_or_path", core}}));
    test::write_plain(path / "adapter_model.safetensors", "matrices");
    test::write_plain(path / "README.md", "stays behind");
    return path;
  }
};

TEST_F(ImportExpertTest, AnAdapterIsCheckedOverItsCoreAndBecomesAnExpertOfIt) {
  const auto core = add_core("wasp");
  const auto path = peft_folder("somebody/else");
  EXPECT_TRUE(is_peft_folder(path));
  const auto added = import_expert(
      *hive, {.path = path, .name = "team/legal", .core = "wasp", .licence = "MIT"}, {});
  ASSERT_TRUE(added.ok()) << added.status().message();
  EXPECT_EQ(added->kind, registry::ModelKind::kAdapter);
  EXPECT_EQ(added->state, Lifecycle::kPreferred);
  EXPECT_EQ(added->lineage.parent, core.label());
  EXPECT_EQ(added->lineage.source, "adapter");
  EXPECT_EQ(added->architecture.at("rank"), 8);
  ASSERT_EQ(added->files.size(), 2u);
  EXPECT_EQ(added->files[0].name, "adapter_config.json");
  ASSERT_EQ(runner.jobs.size(), 1u);
  EXPECT_EQ(runner.jobs[0].spec.at("adapter"), path.string());
}

TEST_F(ImportExpertTest, WithoutAWordTheCoreIsTheOneTheAdapterNames) {
  const auto core = add_core("wasp");
  const auto added = import_expert(*hive, {.path = peft_folder("wasp@1"), .name = "legal"}, {});
  ASSERT_TRUE(added.ok()) << added.status().message();
  EXPECT_EQ(added->lineage.parent, core.label());
}

TEST_F(ImportExpertTest, ACoreThatIsNotRegisteredIsRefusedBeforeAnyJob) {
  const auto unnamed =
      import_expert(*hive, {.path = peft_folder("meta/llama"), .name = "legal"}, {});
  EXPECT_EQ(unnamed.code(), Code::kInvalidArgument);
  EXPECT_THAT(unnamed.status().message(),
              testing::AllOf(HasSubstr("meta/llama"), HasSubstr("--core")));
  const auto unknown =
      import_expert(*hive, {.path = peft_folder("x"), .name = "legal", .core = "none"}, {});
  EXPECT_EQ(unknown.code(), Code::kInvalidArgument);
  EXPECT_TRUE(runner.jobs.empty());
}

TEST_F(ImportExpertTest, AnAdapterThatDoesNotFitIsNotRegistered) {
  add_core("wasp");
  runner.fails<work::CheckAdapterJob>(
      Status(Code::kInvalidArgument, "tensor q_proj: wanted shape [8, 64]"));
  EXPECT_FALSE(import_expert(*hive, {.path = peft_folder("wasp"), .name = "legal"}, {}).ok());
  EXPECT_EQ(models().size(), 1u);
}

// What panal wrote itself comes back as the same version.
TEST_F(ImportExpertTest, AnExportedExpertComesBack) {
  add_core("wasp");
  const ImportExpert first{.path = peft_folder("wasp"), .name = "legal"};
  ASSERT_TRUE(import_expert(*hive, first, {}).ok());
  const auto out = folder / "out";
  ASSERT_TRUE(export_model(*hive, {.model = "legal", .folder = out}, {}).ok());
  const auto back = import_expert(*hive, {.path = out, .name = "legal"}, {});
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->label(), "legal@1");
}

}  // namespace
}  // namespace panal::hub
