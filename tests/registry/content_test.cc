// From versions to folders and back to blobs: materialising, finding damage, removing what nobody
// refers to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using test::num_entries;
using test::read_plain;
using test::write_plain;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ContentTest : public CatalogueTest {
 protected:
  std::filesystem::path blob_path(const ModelVersion& model, std::size_t file) {
    return catalogue->blobs().path_of(model.files[file].blob).value();
  }
  void flip_byte(const std::filesystem::path& path) {
    std::string bytes = read_plain(path);
    bytes[0] = static_cast<char>(bytes[0] ^ 1);
    std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    write_plain(path, bytes);
  }
};

TEST_F(ContentTest, MaterialisesFilesUnderTheirNamesWithoutCopying) {
  const ModelVersion model = add("a", "the weights");
  const auto path = catalogue->materialise(model).value();
  EXPECT_EQ(path, home.models / "a" / "1");
  EXPECT_EQ(num_entries(path), 2u);
  EXPECT_EQ(read_plain(path / "model.gguf"), "the weights");
  EXPECT_TRUE(std::filesystem::equivalent(path / "model.gguf", blob_path(model, 1)));
  EXPECT_EQ(catalogue->materialise(add_adapter("a/legal")).value(), home.models / "a/legal/1");
}

TEST_F(ContentTest, MaterialisesAgainWithoutTouchingWhatIsRight) {
  const ModelVersion model = add("a");
  const auto path = catalogue->materialise(model).value();
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  EXPECT_EQ(catalogue->materialise(model).value(), path);
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

TEST_F(ContentTest, PutsRightWhatSomebodyRemovedOrReplaced) {
  const ModelVersion model = add("a", "the weights");
  const auto path = catalogue->materialise(model).value();
  std::filesystem::remove(path / "config.json");
  std::filesystem::remove(path / "model.gguf");
  write_plain(path / "model.gguf", "foreign");
  ASSERT_TRUE(catalogue->materialise(model).ok());
  EXPECT_EQ(read_plain(path / "config.json"), "{}");
  EXPECT_EQ(read_plain(path / "model.gguf"), "the weights");
  EXPECT_EQ(num_entries(path), 2u);
}

TEST_F(ContentTest, MaterialisesForManyCallersAtOnce) {
  NewModel wide = new_model("wide");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "file-" + std::to_string(i);
    wide.files[name] = write_plain(folder / name, name);
  }
  const ModelVersion model = catalogue->add_model(wide).value();
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 6; ++thread) {
      threads.emplace_back([&] {
        const auto path = catalogue->materialise(model);
        ASSERT_TRUE(path.ok()) << path.status().message();
        for (const auto& file : model.files)
          EXPECT_TRUE(std::filesystem::exists(*path / file.name));
      });
    }
  }
  EXPECT_EQ(num_entries(home.models / "wide/1"), 22u) << "temporary names were left behind";
}

TEST_F(ContentTest, SaysWhichFileOfAModelIsMissing) {
  const ModelVersion model = add("a");
  std::filesystem::remove(blob_path(model, 1));
  const auto refused = catalogue->materialise(model);
  EXPECT_EQ(refused.code(), Code::kCorrupt);
  EXPECT_THAT(refused.status().message(), HasSubstr("model a@1"));
  EXPECT_THAT(refused.status().message(), HasSubstr("model.gguf"));
  EXPECT_EQ(catalogue->verify(model).code(), Code::kCorrupt);
}

TEST_F(ContentTest, RefusesABlobThatWasCutShort) {
  const ModelVersion model = add("a", "the weights");
  std::filesystem::resize_file(blob_path(model, 1), 3);
  EXPECT_THAT(catalogue->materialise(model).status().message(),
              HasSubstr("expected 11 bytes, found 3"));
}

TEST_F(ContentTest, FindsAFlippedByteAndNamesItsOwner) {
  const ModelVersion model = add("a");
  add("b", "untouched");
  EXPECT_THAT(catalogue->verify_all().value(), IsEmpty());
  flip_byte(blob_path(model, 1));
  EXPECT_THAT(catalogue->verify(model).message(), HasSubstr("model a@1, file model.gguf"));
  EXPECT_THAT(catalogue->verify_all().value(),
              ElementsAre(HasSubstr("model a@1, file model.gguf")));
}

TEST_F(ContentTest, RemovesOnlyOldBlobsThatNothingRefersTo) {
  const ModelVersion model = add("a");
  NewDeployment deployment{.name = "demo", .core = "a"};
  deployment.topic_model_blob = catalogue->blobs().put_bytes("topics").value();
  ASSERT_TRUE(catalogue->put_deployment(deployment).ok());
  const Dataset dataset =
      catalogue
          ->add_dataset(
              {.name = "d", .file = write_plain(folder / "d", "data"), .num_documents = 1})
          .value();
  NewPartitioning partitioning{
      .dataset_id = dataset.id, .partitioning_json = "p", .topic_model_json = "t"};
  partitioning.partitions.push_back(
      {.number = 0, .label = "x", .files = {{"train", write_plain(folder / "x", "part")}}});
  ASSERT_TRUE(catalogue->add_partitioning(partitioning).ok());
  const std::string orphan = catalogue->blobs().put_bytes("orphan").value();

  // Blobs carry the time of the disk, so the clock is set by it.
  SystemClock system;
  clock.advance(std::chrono::milliseconds(system.unix_ms() - clock.unix_ms()));
  EXPECT_EQ(catalogue->remove_unreferenced_blobs().value().num_blobs, 0) << "it is too young";
  clock.advance(std::chrono::hours(2));
  const auto garbage = catalogue->remove_unreferenced_blobs().value();
  EXPECT_EQ(garbage.num_blobs, 1);
  EXPECT_EQ(garbage.num_bytes, 6u);
  EXPECT_FALSE(catalogue->blobs().has(orphan));
  EXPECT_THAT(catalogue->verify_all().value(), IsEmpty());
  EXPECT_TRUE(catalogue->verify(model).ok());
}

// A put of bytes that lie there unreferenced since long makes them young again: the sweep must not
// take them away before the transaction that refers to them.
TEST_F(ContentTest, SparesAnOldOrphanThatIsBeingImportedAgain) {
  const std::string hash = catalogue->blobs().put_bytes("old orphan").value();
  const auto path = catalogue->blobs().path_of(hash).value();
  std::filesystem::last_write_time(path,
                                   std::filesystem::last_write_time(path) - std::chrono::hours(5));
  SystemClock system;
  clock.advance(std::chrono::milliseconds(system.unix_ms() - clock.unix_ms()));
  ASSERT_EQ(catalogue->blobs().put_bytes("old orphan").value(), hash);
  EXPECT_EQ(catalogue->remove_unreferenced_blobs().value().num_blobs, 0);
  EXPECT_TRUE(catalogue->blobs().has(hash));
}

TEST_F(ContentTest, RefusesACatalogueOfANewerPanal) {
  catalogue.reset();
  {
    store::Database database = store::Database::open(home.database).value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 1000").ok());
  }
  const auto refused = Catalogue::open(store::posix_file_system(), home, clock);
  EXPECT_EQ(refused.code(), Code::kUnsupported);
  EXPECT_THAT(refused.status().message(), HasSubstr("written by a newer panal"));
}

}  // namespace
}  // namespace panal::registry
