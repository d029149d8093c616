// An import is broken at every single step it takes, in every way there is, files and database
// alike. After each fault the store opens, everything acknowledged is whole, and nothing is half
// there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "store/faulty_file_system.h"
#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using store::FaultKind;
using store::FaultyFileSystem;
using test::TemporaryFolder;
using test::write_plain;

/// What the catalogue said was done before the fault came.
struct Acknowledged {
  bool was_opened = false;
  std::vector<ModelVersion> models;
  bool was_moved = false;
};

NewModel three_files(const TemporaryFolder& folder, const std::string& content) {
  NewModel model{.kind = ModelKind::kBase, .name = "alpha"};
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
    model.files[name] = write_plain(folder / (content + name), content + " " + name);
  }
  return model;
}

/// The scene: open a home, import a model, import a second version, make the first one ready.
Acknowledged import_twice(store::FileSystem& files, const TemporaryFolder& folder, Clock& clock) {
  Acknowledged done;
  const auto home = store::open_home(files, folder / "home");
  if (!home.ok()) return done;
  const auto catalogue = Catalogue::open(files, *home, clock);
  if (!catalogue.ok()) return done;
  done.was_opened = true;
  for (const char* content : {"first", "second"}) {
    auto added = (*catalogue)->add_model(three_files(folder, content));
    if (added.ok()) done.models.push_back(std::move(*added));
  }
  if (done.models.empty()) return done;
  const std::int64_t id = done.models[0].id;
  done.was_moved = (*catalogue)
                       ->record_evaluation(id, {.check = "loads", .metric = "ok", .passed = true})
                       .ok() &&
                   (*catalogue)->move_model(id, Lifecycle::kReady, "passed").ok();
  return done;
}

void expect_whole(Catalogue& catalogue, const Acknowledged& done) {
  const auto models = catalogue.list_models();
  ASSERT_TRUE(models.ok()) << models.status().message();
  for (const auto& model : *models) {
    EXPECT_EQ(model.files.size(), 3u) << model.label() << " is half there";
    EXPECT_FALSE(catalogue.history(model.id).value().empty());
    const Status status = catalogue.verify(model);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(catalogue.materialise(model).ok());
  }
  for (const auto& model : done.models) {
    const auto found = catalogue.find_model(model.id);
    ASSERT_TRUE(found.ok()) << model.label() << " was acknowledged and is lost";
    EXPECT_EQ(found->label(), model.label());
    EXPECT_EQ(to_json(found->lineage), to_json(model.lineage));
  }
  if (done.was_moved) {
    EXPECT_EQ(catalogue.find_model(done.models[0].id).value().state, Lifecycle::kReady);
  }
  EXPECT_TRUE(catalogue.verify_all().value().empty());
}

class ImportCrashTest : public ::testing::TestWithParam<FaultKind> {};

std::string name_of(const ::testing::TestParamInfo<FaultKind>& info) {
  constexpr std::array<const char*, 4> kNames = {"Fail", "Kill", "Power", "PowerKeepingNames"};
  return kNames[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(EveryFault, ImportCrashTest,
                         ::testing::Values(FaultKind::kFail, FaultKind::kKill, FaultKind::kPower,
                                           FaultKind::kPowerKeepingNames),
                         name_of);

TEST_P(ImportCrashTest, LosesNothingAcknowledgedAndShowsNothingHalf) {
  ManualClock clock;
  std::uint64_t step = 0;
  for (bool has_struck = true; has_struck && !HasFailure(); ++step) {
    SCOPED_TRACE(fmt::format("fault at step {}", step));
    const TemporaryFolder folder;
    FaultyFileSystem files({GetParam(), step});
    const Acknowledged done = import_twice(files, folder, clock);
    has_struck = files.has_struck();
    if (!has_struck) {
      EXPECT_EQ(done.models.size(), 2u);
      EXPECT_TRUE(done.was_moved);
    }

    const auto home = store::open_home(store::posix_file_system(), folder / "home");
    ASSERT_TRUE(home.ok()) << home.status().message();
    const auto catalogue = Catalogue::open(store::posix_file_system(), *home, clock);
    ASSERT_TRUE(catalogue.ok()) << catalogue.status().message();
    expect_whole(**catalogue, done);
    EXPECT_TRUE(store::Database::open(home->database).value().check_integrity().ok());
    const auto again = (*catalogue)->add_model(three_files(folder, "first"));
    EXPECT_TRUE(again.ok()) << again.status().message();
  }
  EXPECT_GT(step, 60u) << "too few steps: is something not going through the seam?";
}

}  // namespace
}  // namespace panal::registry
