// The posix file system, atomic files, bounded reading and mapping.
#include "store/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "store/mapped_file.h"
#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::num_entries;
using test::read_plain;
using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

TEST(AtomicWrite, ReplacesTheWholeContentAndLeavesNoTempFile) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "a", "the old and longer content");
  ASSERT_TRUE(write_file_atomically(posix_file_system(), path, "new").ok());
  EXPECT_EQ(read_plain(path), "new");
  EXPECT_EQ(num_entries(folder.path()), 1u);
}

TEST(AtomicWrite, KeepsTheOldContentWhenNotCommitted) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "a", "old");
  {
    AtomicFile file = AtomicFile::create(posix_file_system(), path).value();
    ASSERT_TRUE(file.write("half of the new").ok());
  }
  EXPECT_EQ(read_plain(path), "old");
  EXPECT_EQ(num_entries(folder.path()), 1u);
}

TEST(AtomicWrite, NamesTheFolderThatIsMissing) {
  const TemporaryFolder folder;
  const Status status = write_file_atomically(posix_file_system(), folder / "missing/a", "x");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("missing"));
}

TEST(PosixFile, ReportsASizeLimitLikeAFullDisk) {
  const TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limited = before;
  limited.rlim_cur = 4096;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  const Status status =
      write_file_atomically(posix_file_system(), folder / "a", std::string(10'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
  EXPECT_THAT(status.message(), HasSubstr("5904 bytes to "));
  EXPECT_THAT(status.message(), HasSubstr("free on that disk"));
  EXPECT_EQ(num_entries(folder.path()), 0u);
}

TEST(PosixFile, AppendsAfterWhatIsThere) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "log", "one ");
  ASSERT_TRUE(posix_file_system().append(path).value()->write("two").ok());
  EXPECT_EQ(read_plain(path), "one two");
}

TEST(PosixFileSystem, RefusesToLinkOverAnotherFile) {
  const TemporaryFolder folder;
  write_plain(folder / "a", "a");
  write_plain(folder / "b", "b");
  EXPECT_EQ(posix_file_system().link(folder / "a", folder / "b").code(), Code::kConflict);
  EXPECT_EQ(read_plain(folder / "b"), "b");
}

TEST(PosixFileSystem, MakesFoldersDeepAndTwice) {
  const TemporaryFolder folder;
  const auto deep = folder / "a/b/c/";
  ASSERT_TRUE(make_directories(posix_file_system(), deep).ok());
  EXPECT_TRUE(make_directories(posix_file_system(), deep).ok());
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  write_plain(folder / "file", "");
  EXPECT_FALSE(make_directories(posix_file_system(), folder / "file/below").ok());
}

TEST(ReadFile, RefusesMoreThanItsBoundAndSaysBothNumbers) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "a", "12345");
  EXPECT_EQ(read_file(path, 5).value(), "12345");
  const auto refused = read_file(path, 4);
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("at most 4 bytes, found 5"));
}

TEST(ReadFile, ReadsFilesWhoseSizeTheKernelDoesNotTell) {
  EXPECT_THAT(read_file("/proc/self/status", 1 << 20).value(), HasSubstr("Pid:"));
  EXPECT_EQ(read_file("/proc/self/status", 10).code(), Code::kResourceExhausted);
}

TEST(ReadFile, RefusesFoldersAndPipesWithoutBlocking) {
  const TemporaryFolder folder;
  EXPECT_THAT(read_file(folder.path(), 10).status().message(), HasSubstr("found a folder"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder / "pipe", 10).code(), Code::kInvalidArgument);
  EXPECT_EQ(read_file(folder / "missing", 10).code(), Code::kNotFound);
}

TEST(MappedFile, ShowsTheBytesAndSurvivesMoves) {
  const TemporaryFolder folder;
  MappedFile mapped = MappedFile::open(write_plain(folder / "a", "hello")).value();
  const std::byte* start = mapped.bytes().data();
  MappedFile moved = std::move(mapped);
  EXPECT_EQ(moved.bytes().data(), start);
  EXPECT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(moved.bytes()[4], std::byte{'o'});
  EXPECT_TRUE(mapped.bytes().empty());
}

TEST(MappedFile, TakesAnEmptyFileAndRefusesAFolder) {
  const TemporaryFolder folder;
  EXPECT_TRUE(MappedFile::open(write_plain(folder / "empty", "")).value().bytes().empty());
  EXPECT_EQ(MappedFile::open(folder.path()).code(), Code::kInvalidArgument);
  EXPECT_EQ(MappedFile::open(folder / "missing").code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::store
