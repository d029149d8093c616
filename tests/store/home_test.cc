// The home folder, and the lock that lets one process at a time use a thing.
#include "store/home.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

/// Sets an environment variable for one test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Environment() { before_.empty() ? ::unsetenv(name_) : ::setenv(name_, before_.c_str(), 1); }

 private:
  const char* name_;
  std::string before_;
};

TEST(Home, IsMadePrivateAndOpensAgain) {
  const TemporaryFolder folder;
  const Home home = open_home(posix_file_system(), folder / "deep/home").value();
  for (const auto& path : {home.root, home.blobs, home.models, home.jobs, home.run}) {
    EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms(0777),
              std::filesystem::perms(0700))
        << path;
  }
  EXPECT_TRUE(open_home(posix_file_system(), folder / "deep/home").ok());
}

TEST(Home, FollowsTheEnvironment) {
  const TemporaryFolder folder;
  {
    const Environment chosen("PANAL_HOME", (folder / "x/../mine").c_str());
    EXPECT_EQ(default_home_root().value(), folder / "mine");
  }
  const Environment not_chosen("PANAL_HOME", nullptr);
  {
    const Environment user("HOME", folder.path().c_str());
    EXPECT_EQ(default_home_root().value(), folder / ".panal");
  }
  const Environment nobody("HOME", nullptr);
  EXPECT_THAT(default_home_root().status().message(), HasSubstr("set PANAL_HOME"));
}

TEST(Home, RefusesAFileInItsPlace) {
  const TemporaryFolder folder;
  write_plain(folder / "home", "x");
  const auto refused = open_home(posix_file_system(), folder / "home");
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("found a file"));
}

TEST(ProcessLock, RefusesTheSecondTakerAndNamesTheFirst) {
  const TemporaryFolder folder;
  auto lock = ProcessLock::take(folder / "lock", "the home /h");
  ASSERT_TRUE(lock.ok());
  const auto refused = ProcessLock::take(folder / "lock", "the home /h");
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_EQ(refused.status().message(),
            fmt::format("the home /h is already in use by process {}", ::getpid()));
  {
    const ProcessLock moved = std::move(lock).value();
    EXPECT_FALSE(ProcessLock::take(folder / "lock", "it").ok());
  }
  EXPECT_TRUE(ProcessLock::take(folder / "lock", "it").ok());
}

TEST(ProcessLock, IsFreeAgainWhenItsHolderIsKilled) {
  const TemporaryFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = ProcessLock::take(folder / "lock", "it");
    (void)!::write(ready[1], lock.ok() ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_THAT(ProcessLock::take(folder / "lock", "it").status().message(),
              HasSubstr(fmt::format("by process {}", child)));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(ProcessLock::take(folder / "lock", "it").ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace panal::store
