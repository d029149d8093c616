// Every step of an atomic write, a blob and a database transaction is broken once, in every way
// there is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>

#include "store/blob_store.h"
#include "store/database.h"
#include "store/faulty_file_system.h"
#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::read_plain;
using test::TemporaryFolder;
using test::write_plain;

class CrashTest : public ::testing::TestWithParam<FaultKind> {
 protected:
  /// Calls `scene` (void(FaultyFileSystem&, folder)) with the fault at step 0, 1, ... until it does
  /// not come.
  template <typename Scene>
  std::uint64_t for_each_step(Scene&& scene) {
    for (std::uint64_t step = 0;; ++step) {
      SCOPED_TRACE(fmt::format("fault at step {}", step));
      const TemporaryFolder folder;
      FaultyFileSystem files({GetParam(), step});
      scene(files, folder);
      if (!files.has_struck()) return step;
      if (HasFailure() || step > 1000) return step;
    }
  }
};

std::string name_of(const ::testing::TestParamInfo<FaultKind>& info) {
  constexpr std::array<const char*, 4> kNames = {"Fail", "Kill", "Power", "PowerKeepingNames"};
  return kNames[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(EveryFault, CrashTest,
                         ::testing::Values(FaultKind::kFail, FaultKind::kKill, FaultKind::kPower,
                                           FaultKind::kPowerKeepingNames),
                         name_of);

TEST_P(CrashTest, AnAtomicWriteLeavesTheOldContentOrTheNewOne) {
  const std::uint64_t steps =
      for_each_step([](FaultyFileSystem& files, const TemporaryFolder& folder) {
        const auto path = write_plain(folder / "a", "old content");
        const Status status = write_file_atomically(files, path, "new content");
        (void)files.touch(path);  // One more step: a crash after the acknowledgement.
        const std::string found = read_plain(path);
        EXPECT_TRUE(found == "new content" || (found == "old content" && !status.ok())) << found;
      });
  EXPECT_GE(steps, 5u);
}

TEST_P(CrashTest, AnAcknowledgedBlobIsWholeAndNoOtherIsVisible) {
  for_each_step([](FaultyFileSystem& files, const TemporaryFolder& folder) {
    std::optional<std::string> acknowledged;
    {
      BlobStore store(files, folder / "blobs");
      if (store.open().ok()) {
        auto put = store.put_bytes("some bytes");
        if (put.ok()) acknowledged = *put;
        (void)store.put_bytes("more steps: a crash after the acknowledgement");
      }
    }
    BlobStore store(posix_file_system(), folder / "blobs");
    ASSERT_TRUE(store.open().ok());
    const auto entries = store.list().value();
    for (const auto& entry : entries) EXPECT_TRUE(store.verify(entry.hash).ok());
    if (acknowledged) {
      EXPECT_TRUE(store.verify(*acknowledged).ok());
    }
    const auto again = store.put_bytes("some bytes");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(store.read(*again, 100).value(), "some bytes");
  });
}

/// Adds `value` with a partner row: both must be there or none.
Status add_pair(Database& database, std::int64_t value) {
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database));
  PANAL_TRY(database.run("INSERT INTO numbers (value, half) VALUES (?, 1)", value));
  PANAL_TRY(database.run("INSERT INTO numbers (value, half) VALUES (?, 2)", value));
  return transaction.commit();
}

TEST_P(CrashTest, ACommittedTransactionStaysAndAnotherLeavesNothing) {
  static constexpr std::string_view kSchema[] = {
      "CREATE TABLE numbers (value INTEGER, half INTEGER)"};
  const std::uint64_t steps =
      for_each_step([](FaultyFileSystem& files, const TemporaryFolder& folder) {
        std::int64_t num_acknowledged = 0;
        {
          DatabaseOptions options;
          options.vfs = files.sqlite_vfs();
          auto database = Database::open(folder / "db", options);
          if (database.ok() && migrate(*database, kSchema).ok()) {
            while (num_acknowledged < 3 && add_pair(*database, num_acknowledged).ok())
              ++num_acknowledged;
          }
        }
        auto database = Database::open(folder / "db");
        ASSERT_TRUE(database.ok()) << database.status().message();
        ASSERT_TRUE(migrate(*database, kSchema).ok());
        ASSERT_TRUE(database->check_integrity().ok());
        Statement rows =
            database->query("SELECT value, count(*) FROM numbers GROUP BY value ORDER BY value")
                .value();
        std::int64_t num_found = 0;
        while (rows.step().value()) {
          EXPECT_EQ(rows.integer(0), num_found);
          EXPECT_EQ(rows.integer(1), 2);
          ++num_found;
        }
        EXPECT_GE(num_found, num_acknowledged);
        EXPECT_LE(num_found, num_acknowledged + 1);
      });
  EXPECT_GE(steps, 10u) << "the steps of SQLite are not counted";
}

TEST(FaultyFileSystem, LosesWhatWasNotSyncedWhenThePowerGoes) {
  const TemporaryFolder folder;
  FaultyFileSystem files({FaultKind::kPower, 4});
  auto file = files.create(folder / "a").value();         // 0
  ASSERT_TRUE(file->write("safe").ok());                  // 1
  ASSERT_TRUE(file->sync().ok());                         // 2
  ASSERT_TRUE(files.sync_directory(folder.path()).ok());  // 3
  EXPECT_FALSE(file->write("gone").ok());                 // 4
  EXPECT_EQ(read_plain(folder / "a"), "safe");
  EXPECT_EQ(files.create(folder / "b").code(), Code::kUnavailable);
}

TEST(FaultyFileSystem, BringsBackARenamedOverFileWhenTheFolderWasNotSynced) {
  const TemporaryFolder folder;
  write_plain(folder / "new", "new");
  write_plain(folder / "old", "old");
  FaultyFileSystem files({FaultKind::kPower, 1});
  ASSERT_TRUE(files.rename(folder / "new", folder / "old").ok());
  EXPECT_FALSE(files.touch(folder / "old").ok());
  EXPECT_EQ(read_plain(folder / "old"), "old");
  EXPECT_EQ(read_plain(folder / "new"), "new");
}

TEST(FaultyFileSystem, KeepsNamesWithoutTheirUnsyncedBytesInTheHarshestMode) {
  const TemporaryFolder folder;
  FaultyFileSystem files({FaultKind::kPowerKeepingNames, 3});
  auto file = files.create(folder / "temporary").value();
  ASSERT_TRUE(file->write("never synced").ok());
  ASSERT_TRUE(files.rename(folder / "temporary", folder / "a").ok());
  EXPECT_FALSE(files.sync_directory(folder.path()).ok());
  EXPECT_EQ(read_plain(folder / "a"), "");
  EXPECT_TRUE(std::filesystem::exists(folder / "a"));
}

}  // namespace
}  // namespace panal::store
