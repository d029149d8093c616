// Output goes where it was told: into devices, pipes and descriptors, through links, and into files
// without changing whose they are. Every device and pipe here is the test's own.
#include "store/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "store/faulty_file_system.h"
#include "tests/bound_by_permissions.h"
#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::BoundByPermissions;
using test::num_entries;
using test::read_plain;
using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

Status write_to(const std::filesystem::path& path, std::string_view bytes) {
  return write_output(posix_file_system(), path, bytes);
}

struct stat facts_of(const std::filesystem::path& path) {
  struct stat facts {};
  EXPECT_EQ(lstat(path.c_str(), &facts), 0) << path;
  return facts;
}

// A descriptor that was given to this process, as a shell gives one: it is not closed on exec.
class Given {
 public:
  explicit Given(int number) : number_(number) { EXPECT_GE(number, 0); }
  ~Given() { close(); }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }
  int number() const { return number_; }
  std::filesystem::path path() const { return "/dev/fd/" + std::to_string(number_); }

 private:
  int number_;
};

TEST(Output, MakesAFileOrReplacesItsWholeContent) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_to(folder / "a", "the old and longer content").ok());
  ASSERT_TRUE(write_to(folder / "a", "new").ok());
  EXPECT_EQ(read_plain(folder / "a"), "new");
  EXPECT_EQ(num_entries(folder.path()), 1u);
}

TEST(Output, KeepsModeAndOwnerOfTheFileItReplaces) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "a", "old");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  const bool is_root = geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(chown(path.c_str(), 1234, 2345), 0);
  }
  ASSERT_TRUE(write_to(path, "new").ok());
  EXPECT_EQ(read_plain(path), "new");
  const struct stat facts = facts_of(path);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  if (is_root) {
    EXPECT_EQ(facts.st_uid, 1234u);
    EXPECT_EQ(facts.st_gid, 2345u);
  }
}

TEST(Output, FollowsLinksAndReplacesTheirTarget) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "reports");
  write_plain(folder / "reports/target", "old");
  std::filesystem::create_symlink("reports/target", folder / "near");
  std::filesystem::create_symlink(folder / "near", folder / "far");
  ASSERT_TRUE(write_to(folder / "far", "new").ok());
  EXPECT_EQ(read_plain(folder / "reports/target"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "near"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "far"));
  EXPECT_EQ(num_entries(folder / "reports"), 1u);
}

TEST(Output, MakesTheTargetOfALinkToNothing) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("later", folder / "link");
  ASSERT_TRUE(write_to(folder / "link", "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_plain(folder / "later"), "new");
}

TEST(Output, KeepsTheOtherNamesOfAFile) {
  const TemporaryFolder folder;
  write_plain(folder / "a", "the old and longer content");
  std::filesystem::create_hard_link(folder / "a", folder / "b");
  ASSERT_TRUE(write_to(folder / "a", "new").ok());
  EXPECT_EQ(read_plain(folder / "b"), "new");
}

TEST(Output, GoesIntoANamedPipe) {
  const TemporaryFolder folder;
  const auto path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_plain(path); });
  const std::string bytes(200'000, 'x');  // More than a pipe holds at once.
  const Status written = write_to(path, bytes);
  reader.join();
  EXPECT_TRUE(written.ok()) << written.message();
  EXPECT_EQ(got, bytes);
  EXPECT_TRUE(S_ISFIFO(facts_of(path).st_mode));
  EXPECT_EQ(num_entries(folder.path()), 1u);
}

TEST(Output, GoesIntoADeviceWhichStaysOne) {
  const TemporaryFolder folder;
  const auto null = folder / "null";
  const auto full = folder / "full";
  const bool is_made = mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0 &&
                       mknod(full.c_str(), S_IFCHR | 0666, makedev(1, 7)) == 0;
  const int opened = is_made ? ::open(null.c_str(), O_WRONLY | O_CLOEXEC) : -1;
  if (opened < 0) GTEST_SKIP() << "needs the right to make device nodes";
  ::close(opened);
  EXPECT_TRUE(write_to(null, "x").ok());
  const Status refused = write_to(full, "x");
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr(full.string() + ": No space left on device"));
  EXPECT_TRUE(S_ISCHR(facts_of(null).st_mode));
  EXPECT_TRUE(S_ISCHR(facts_of(full).st_mode));
  EXPECT_EQ(num_entries(folder.path()), 2u);
}

TEST(Output, ReportsAFullDeviceBehindADescriptor) {
  const Given full(::open("/dev/full", O_WRONLY));
  const Status status = write_to(full.path(), "x");
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("No space left on device"));
}

TEST(Output, GoesIntoATerminal) {
  const Given terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_EQ(grantpt(terminal.number()), 0);
  ASSERT_EQ(unlockpt(terminal.number()), 0);
  ASSERT_TRUE(write_to(ptsname(terminal.number()), "seen").ok());
  char got[4] = {};
  ASSERT_EQ(read(terminal.number(), got, 4), 4);
  EXPECT_EQ(std::string(got, 4), "seen");
}

TEST(Output, FollowsWhatADescriptorWroteBefore) {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  const Given given(::open(path.c_str(), O_WRONLY | O_CREAT, 0600));
  ASSERT_EQ(::write(given.number(), "before ", 7), 7);
  std::filesystem::create_symlink(given.path(), folder / "link");
  ASSERT_TRUE(write_to(given.path(), "one ").ok());
  ASSERT_TRUE(write_to("/proc/self/fd/" + std::to_string(given.number()), "two ").ok());
  ASSERT_TRUE(write_to(folder / "link", "three ").ok());
  ASSERT_EQ(::write(given.number(), "after", 5), 5);
  EXPECT_EQ(read_plain(path), "before one two three after");
}

TEST(Output, NeverTouchesADescriptorThisProcessOpenedItself) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "database", "kept");
  const Given own(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const Status refused = write_to(own.path(), "x");
  EXPECT_EQ(refused.code(), Code::kNotFound);
  EXPECT_THAT(refused.message(), HasSubstr("was not given to this program"));
  EXPECT_EQ(read_plain(path), "kept");
  EXPECT_EQ(write_to("/dev/fd/987", "x").code(), Code::kNotFound);
}

TEST(Output, ReportsAReaderThatIsGone) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Given writer(ends[1]);
  ::close(ends[0]);
  const Status status = write_to(writer.path(), "x");
  std::signal(SIGPIPE, before);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("Broken pipe"));
}

TEST(Output, SaysWhatIsInTheWay) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_to(folder.path(), "x").code(), Code::kInvalidArgument);
  EXPECT_EQ(write_to(folder / "made/", "x").code(), Code::kInvalidArgument);
  const Status missing = write_to(folder / "missing/a", "x");
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("there is no folder " + (folder / "missing").string()));
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_EQ(write_to(folder / "loop", "x").code(), Code::kInvalidArgument);
  const auto closed = write_plain(folder / "closed", "old");
  ASSERT_EQ(chmod(closed.c_str(), 0400), 0);
  const BoundByPermissions bound;
  EXPECT_EQ(write_to(closed, "x").code(), Code::kUnavailable);
  EXPECT_EQ(read_plain(closed), "old");
}

TEST(Output, WritesInPlaceWhereNothingCanBeMadeBeside) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "closed");
  const auto path = write_plain(folder / "closed/a", "the old and longer content");
  ASSERT_EQ(chmod((folder / "closed").c_str(), 0500), 0);
  {
    const BoundByPermissions bound;
    EXPECT_NE(mkdir((folder / "closed/beside").c_str(), 0700), 0);
    const Status status = write_to(path, "new");
    EXPECT_TRUE(status.ok()) << status.message();
  }
  ASSERT_EQ(chmod((folder / "closed").c_str(), 0700), 0);
  EXPECT_EQ(read_plain(path), "new");
}

// Whichever step fails or is the last one before the power goes: the old content or the new one.
TEST(Output, LosesNothingAtAnyStep) {
  std::uint64_t num_steps = 0;
  {
    const TemporaryFolder folder;
    FaultyFileSystem counting({});
    write_plain(folder / "a", "old");
    ASSERT_TRUE(write_output(counting, folder / "a", "new").ok());
    num_steps = counting.num_steps();
  }
  ASSERT_GE(num_steps, 5u);
  for (const FaultKind kind : {FaultKind::kFail, FaultKind::kKill, FaultKind::kPower}) {
    for (std::uint64_t step = 0; step < num_steps; ++step) {
      const TemporaryFolder folder;
      write_plain(folder / "a", "old");
      FaultyFileSystem files({.kind = kind, .at_step = step});
      const Status status = write_output(files, folder / "a", "new");
      const std::string now = read_plain(folder / "a");
      EXPECT_TRUE(now == "new" || (now == "old" && !status.ok()))
          << "step " << step << ": " << now << ", " << status.message();
    }
  }
}

}  // namespace
}  // namespace panal::store
