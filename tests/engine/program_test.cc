// How panal-engine is called and how it ends. It takes standard output for itself, so each call
// runs in a child process of the test.
#include "engine/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/store/temporary_folder.h"

namespace panal::engine {
namespace {

using test::read_plain;
using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

struct Ended {
  int code = -1;
  std::string printed;
};

// Standard output is the file `output`, made when it is missing.
Ended run(const std::vector<std::string>& arguments, const std::filesystem::path& output) {
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(output.c_str(), O_WRONLY | O_CREAT, 0600);
    if (file < 0 || dup2(file, STDOUT_FILENO) < 0) _exit(99);
    _exit(run_program(arguments));
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  const bool is_file = std::filesystem::is_regular_file(output);
  return {WEXITSTATUS(status), is_file ? read_plain(output) : ""};
}

// The last event: what the work ended with.
Json last_event(const std::string& lines) {
  const std::size_t end = lines.rfind('\n');
  const std::size_t begin = lines.rfind('\n', end - 1);
  return Json::parse(lines.substr(begin == std::string::npos ? 0 : begin + 1));
}

TEST(Program, RefusesACommandLineItDoesNotKnow) {
  const TemporaryFolder folder;
  const std::vector<std::vector<std::string>> wrong = {
      {}, {"job"}, {"train", "x"}, {"serve", "--spec", "x"}, {"job", "a", "b"}};
  for (const auto& arguments : wrong) EXPECT_EQ(run(arguments, folder / "output").code, 2);
}

TEST(Program, TellsItsVersionAndUsage) {
  const TemporaryFolder folder;
  const Ended version = run({"--version"}, folder / "version");
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.printed, HasSubstr("panal-engine "));
  EXPECT_THAT(run({"--help"}, folder / "help").printed, HasSubstr("panal-engine job FOLDER"));
}

// The child opens the device only to write to it: nothing is replaced.
TEST(Program, FailsWhenItsVersionCannotBeWritten) {
  EXPECT_EQ(run({"--version"}, "/dev/full").code, 1);
}

TEST(Program, EndsAJobWithOneForWhatIsMissingAndWithTwoForWhatIsWrong) {
  const TemporaryFolder folder;
  const Ended missing = run({"job", folder / "nowhere"}, folder / "missing");
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(last_event(missing.printed).at("event"), "error");
  EXPECT_EQ(last_event(missing.printed).at("code"), "not_found");
  write_plain(folder / "job.json", R"({"version": "1.0", "kind": "dance", "spec": {}})");
  const Ended wrong = run({"job", folder.path()}, folder / "wrong");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(std::string(last_event(wrong.printed).at("message")), HasSubstr("dance"));
  write_plain(folder / "job.json", "{\"kind\": ");
  EXPECT_EQ(run({"job", folder.path()}, folder / "torn").code, 2);
}

}  // namespace
}  // namespace panal::engine
