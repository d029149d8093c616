#include "fleet/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

ChildOptions shell(const std::string& script) { return {"/bin/sh", {"-c", script}, {}}; }

TEST(ChildProcess, GivesItsOutputLineByLineAndThenItsExitCode) {
  auto child = ChildProcess::start(shell("echo one; printf two; exit 3"));
  ASSERT_TRUE(child.ok()) << child.status().message();
  EXPECT_EQ(child->read_line(5s).value(), "one");
  EXPECT_EQ(child->read_line(5s).value(), "two");
  EXPECT_EQ(child->read_line(5s).value(), std::nullopt);
  EXPECT_EQ(child->wait(5s).value().code, 3);
}

TEST(ChildProcess, SaysWhichProgramIsMissing) {
  const auto child = ChildProcess::start({"/nowhere/panal-engine", {}, {}});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.code(), Code::kNotFound);
  EXPECT_NE(child.status().message().find("/nowhere/panal-engine"), std::string::npos);
}

TEST(ChildProcess, IsKilledWhenItIgnoresTheRequestToStop) {
  auto child = ChildProcess::start(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  ASSERT_TRUE(child.ok());
  ASSERT_EQ(child->read_line(5s).value(), "ready");
  const ChildExit exit = child->stop(100ms);
  EXPECT_EQ(exit.signal, SIGKILL);
}

TEST(ChildProcess, EndsWhenItsOwnerForgetsIt) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::start(shell("echo ready; exec sleep 1000"));
    ASSERT_TRUE(child.ok());
    ASSERT_EQ(child->read_line(5s).value(), "ready");
    pid = child->pid();
  }
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(ChildProcess, DoesNotInheritSecretsOfTheEnvironment) {
  setenv("MY_SECRET_TOKEN", "hunter2", 1);
  setenv("PANAL_TEST_VISIBLE", "yes", 1);
  setenv("NCCL_TEST_VISIBLE", "too", 1);
  auto child = ChildProcess::start(
      shell("echo \"[$MY_SECRET_TOKEN][$PANAL_TEST_VISIBLE][$NCCL_TEST_VISIBLE]\""));
  unsetenv("MY_SECRET_TOKEN");
  unsetenv("PANAL_TEST_VISIBLE");
  unsetenv("NCCL_TEST_VISIBLE");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->read_line(5s).value(), "[][yes][too]");
}

TEST(ChildProcess, ADeadlineForALineIsKept) {
  auto child = ChildProcess::start(shell("exec sleep 1000"));
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->read_line(20ms).code(), Code::kDeadlineExceeded);
  EXPECT_FALSE(child->has_ended());
}

// A server starts engines from threads that end with their request.
TEST(ChildProcess, OutlivesTheThreadThatStartedIt) {
  std::optional<ChildProcess> child;
  std::thread([&] {
    child = ChildProcess::start(shell("echo ready; exec sleep 1000")).value();
  }).join();
  ASSERT_EQ(child->read_line(5s).value(), "ready");
  EXPECT_EQ(child->read_line(300ms).code(), Code::kDeadlineExceeded);
  EXPECT_FALSE(child->has_ended());
}

}  // namespace
}  // namespace panal::fleet
