// Content under its hash: stored once, found damaged, swept when its writer died.
#include "store/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/hash.h"
#include "store/process.h"
#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::num_entries;
using test::read_plain;
using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

class BlobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store.open().ok()); }
  /// Flips one bit in the middle of the blob.
  void damage(const std::string& hash) {
    const auto path = store.path_of(hash).value();
    std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::string bytes = read_plain(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_plain(path, bytes);
  }
  TemporaryFolder folder;
  BlobStore store{posix_file_system(), folder / "blobs"};
};

TEST_F(BlobStoreTest, NamesAFileByItsHashAndKeepsItsBytes) {
  std::string content(3'000'000, 'x');
  content += "the last of several pieces";
  const std::string hash = store.put_file(write_plain(folder / "source", content)).value();
  EXPECT_EQ(hash, sha256_hex(content));
  EXPECT_EQ(read_plain(store.path_of(hash).value()), content);
  EXPECT_EQ(store.num_bytes(hash).value(), content.size());
  EXPECT_TRUE(store.verify(hash).ok());
  EXPECT_EQ(num_entries(folder / "blobs/incoming"), 0u);
}

TEST_F(BlobStoreTest, StoresEqualBytesOnce) {
  const std::string first = store.put_bytes("same").value();
  EXPECT_EQ(store.put_file(write_plain(folder / "source", "same")).value(), first);
  EXPECT_EQ(store.put_bytes("").value(), sha256_hex(""));
  EXPECT_EQ(store.list().value().size(), 2u);
}

TEST_F(BlobStoreTest, FindsAFlippedBit) {
  const std::string hash = store.put_bytes("precious weights").value();
  damage(hash);
  EXPECT_EQ(store.verify(hash).code(), Code::kCorrupt);
  EXPECT_EQ(store.read(hash, 100).code(), Code::kCorrupt);
  EXPECT_THAT(store.verify(hash).message(), HasSubstr(hash));
}

TEST_F(BlobStoreTest, MendsADamagedBlobWhenItsContentIsPutAgain) {
  const std::string hash = store.put_bytes("precious weights").value();
  damage(hash);
  EXPECT_EQ(store.put_bytes("precious weights").value(), hash);
  EXPECT_TRUE(store.verify(hash).ok());
}

TEST_F(BlobStoreTest, IsReadOnlySoThatALinkCannotChangeIt) {
  const auto path = store.path_of(store.put_bytes("x").value()).value();
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms(0777),
            std::filesystem::perms(0444));
}

TEST_F(BlobStoreTest, RefusesWhatIsNoHashBeforeTouchingTheDisk) {
  for (const std::string& name : {std::string("../../etc/passwd"), std::string(64, 'A'),
                                  std::string(63, 'a'), std::string()}) {
    EXPECT_EQ(store.path_of(name).code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(store.remove(name).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(store.verify(std::string(64, 'a')).code(), Code::kNotFound);
}

TEST_F(BlobStoreTest, LeavesNothingBehindWhenTheSourceIsMissing) {
  EXPECT_EQ(store.put_file(folder / "missing").code(), Code::kNotFound);
  EXPECT_EQ(store.put_file(folder.path()).code(), Code::kInvalidArgument);
  EXPECT_EQ(num_entries(folder / "blobs/incoming"), 0u);
  EXPECT_TRUE(store.list().value().empty());
}

TEST_F(BlobStoreTest, SweepsTheHalfWrittenFilesOfDeadProcessesOnly) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    write_plain(folder / "blobs/incoming" / (to_text(this_process()) + "-00"), "half");
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto mine =
      write_plain(folder / "blobs/incoming" / (to_text(this_process()) + "-00"), "half");
  const auto foreign = write_plain(folder / "blobs/incoming/README", "not ours");
  ASSERT_EQ(num_entries(folder / "blobs/incoming"), 3u);
  ASSERT_TRUE(BlobStore(posix_file_system(), folder / "blobs").open().ok());
  EXPECT_TRUE(std::filesystem::exists(mine));
  EXPECT_TRUE(std::filesystem::exists(foreign));
  EXPECT_EQ(num_entries(folder / "blobs/incoming"), 2u);
}

TEST_F(BlobStoreTest, TakesTheSameContentFromManyThreadsAtOnce) {
  const std::string content(200'000, 'q');
  std::vector<std::string> hashes(8);
  {
    std::vector<std::jthread> threads;
    for (auto& hash : hashes) {
      threads.emplace_back([&] { hash = store.put_bytes(content).value(); });
    }
  }
  for (const auto& hash : hashes) EXPECT_EQ(hash, sha256_hex(content));
  EXPECT_TRUE(store.verify(hashes[0]).ok());
  EXPECT_EQ(num_entries(folder / "blobs/incoming"), 0u);
}

TEST(ProcessIdentity, TellsTheLivingFromTheDeadAndTheReborn) {
  ProcessIdentity self = this_process();
  EXPECT_TRUE(is_alive(self));
  EXPECT_EQ(process_from_text(to_text(self)), self);
  self.start_ticks += 1;  // Another process had this number before.
  EXPECT_FALSE(is_alive(self));
  EXPECT_FALSE(is_alive({}));
  for (const char* text : {"", "12", "-", "x-1", "1-x", "-5-3", "99999999999999999999-1"}) {
    EXPECT_EQ(process_from_text(text).pid, 0) << text;
  }
}

}  // namespace
}  // namespace panal::store
