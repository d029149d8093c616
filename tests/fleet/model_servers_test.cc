// Scripted servers in the place of processes: what matters is who waits for whom.
#include "fleet/model_servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "tests/patience.h"

namespace panal::fleet {
namespace {

using testing::HasSubstr;

/// Says its spec's name; dies when told to.
class ScriptedServer final : public ModelServer {
 public:
  struct Life {
    std::atomic<bool> is_dead = false;
    std::atomic<bool> dies_when_asked = false;
    std::atomic<bool> is_silent = false;  // Keeps its callers waiting until they cancel.
    std::atomic<int> num_asked = 0;
  };
  ScriptedServer(std::string name, std::shared_ptr<Life> life, std::atomic<int>& num_alive)
      : name_(std::move(name)), life_(std::move(life)), num_alive_(num_alive) {
    ++num_alive_;
  }
  ~ScriptedServer() override { --num_alive_; }

  void generate(const work::Generation&, Callbacks callbacks, std::stop_token stop) override {
    ++life_->num_asked;
    if (life_->dies_when_asked) life_->is_dead = true;
    if (life_->is_dead) return callbacks.on_done(Status(Code::kUnavailable, "cut off"));
    callbacks.on_admitted();
    if (life_->is_silent) {
      using OnStop = std::stop_callback<std::function<void()>>;
      const auto done = std::make_shared<Callbacks>(std::move(callbacks));
      waiting_ = std::make_unique<OnStop>(
          stop, [done] { done->on_done(Status(Code::kCancelled, "stopped")); });
      return;
    }
    callbacks.on_text(name_);
    callbacks.on_done(work::GenerationResult{.text = name_});
  }
  bool is_lost(std::chrono::milliseconds) override { return life_->is_dead; }

 private:
  const std::string name_;
  const std::shared_ptr<Life> life_;  // Shared with the test.
  std::atomic<int>& num_alive_;
  std::unique_ptr<std::stop_callback<std::function<void()>>> waiting_;
};

using Outcome = Result<work::GenerationResult>;

class ModelServersTest : public testing::Test {
 protected:
  std::future<Outcome> ask(const std::string& key, const std::string& revision = "1",
                           std::stop_token stop = {}) {
    const auto promise = std::make_shared<std::promise<Outcome>>();
    servers_->generate(key, revision, {.name = key}, {.input = std::string("hi")},
                       {.on_done = [promise](Outcome outcome) { promise->set_value(outcome); }},
                       stop);
    return promise->get_future();
  }
  Result<std::unique_ptr<ModelServer>> start(const ServerSpec& spec) {
    ++num_starts_[spec.name];
    if (spec.name == "slow") may_start_slow_.get_future().wait();
    if (spec.name == "broken") return Status(Code::kInvalidArgument, "the file is torn");
    return std::unique_ptr<ModelServer>(
        std::make_unique<ScriptedServer>(spec.name, life_, num_alive_));
  }

  std::shared_ptr<ScriptedServer::Life> life_ = std::make_shared<ScriptedServer::Life>();
  std::atomic<int> num_alive_ = 0;
  std::promise<void> may_start_slow_;
  std::map<std::string, std::atomic<int>> num_starts_ = [] {
    std::map<std::string, std::atomic<int>> counts;
    for (const char* name : {"slow", "warm", "broken"}) counts[name] = 0;
    return counts;
  }();
  std::unique_ptr<ModelServers> servers_ =
      std::make_unique<ModelServers>([this](const ServerSpec& spec) { return start(spec); });
};

TEST_F(ModelServersTest, AColdServerDelaysNoWarmOne) {
  ASSERT_EQ(ask("warm").get()->text, "warm");
  auto cold = ask("slow");
  EXPECT_EQ(servers_->condition("slow", "1").state, ModelServers::State::kStarting);
  // Answered while the other one is still being started.
  EXPECT_EQ(ask("warm").get()->text, "warm");
  EXPECT_EQ(servers_->condition("warm", "1").state, ModelServers::State::kRunning);
  may_start_slow_.set_value();
  EXPECT_EQ(cold.get()->text, "slow");
}

TEST_F(ModelServersTest, AllWhoWaitForAServerGetTheSameOne) {
  std::vector<std::future<Outcome>> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(ask("slow"));
  may_start_slow_.set_value();
  for (auto& answer : waiting) EXPECT_EQ(answer.get()->text, "slow");
  EXPECT_EQ(num_starts_["slow"], 1);
}

// Whatever kept the server from starting, the request is not at fault.
TEST_F(ModelServersTest, AServerThatCannotStartIsUnavailableWithItsReason) {
  const auto outcome = ask("broken").get();
  EXPECT_EQ(outcome.code(), Code::kUnavailable);
  EXPECT_THAT(outcome.status().message(), HasSubstr("the file is torn"));
  EXPECT_EQ(servers_->condition("broken", "1").state, ModelServers::State::kFailed);
  EXPECT_THAT(servers_->condition("broken", "1").reason, HasSubstr("torn"));
  // The next request tries again.
  EXPECT_FALSE(ask("broken").get().ok());
  EXPECT_EQ(num_starts_["broken"], 2);
}

TEST_F(ModelServersTest, ADeadServerIsStartedAgain) {
  ASSERT_TRUE(ask("warm").get().ok());
  life_->is_dead = true;
  auto again = std::exchange(life_, std::make_shared<ScriptedServer::Life>());
  EXPECT_EQ(ask("warm").get()->text, "warm");
  EXPECT_EQ(num_starts_["warm"], 2);
}

// A request that kills servers kills two of them, not all that are ever started.
TEST_F(ModelServersTest, ARequestIsRepeatedOnce) {
  life_->dies_when_asked = true;
  EXPECT_EQ(ask("warm").get().code(), Code::kUnavailable);
  EXPECT_EQ(life_->num_asked, 2);
}

TEST_F(ModelServersTest, ANewRevisionTakesOverAndTheOldServerGoes) {
  ASSERT_TRUE(ask("warm", "1").get().ok());
  ASSERT_TRUE(ask("warm", "2").get().ok());
  EXPECT_EQ(num_starts_["warm"], 2);
  EXPECT_EQ(servers_->condition("warm", "1").state, ModelServers::State::kAbsent);
  EXPECT_TRUE(eventually([&] { return num_alive_ == 1; }));
}

TEST_F(ModelServersTest, StoppingEndsAnswersAndLeavesNoServer) {
  life_->is_silent = true;
  auto open = ask("warm");
  EXPECT_TRUE(eventually([&] { return life_->num_asked == 1; }));
  servers_.reset();
  EXPECT_EQ(open.get().code(), Code::kCancelled);
  EXPECT_EQ(num_alive_, 0);
}

TEST_F(ModelServersTest, ACancelledRequestEnds) {
  life_->is_silent = true;
  std::stop_source stop;
  auto open = ask("warm", "1", stop.get_token());
  EXPECT_TRUE(eventually([&] { return life_->num_asked == 1; }));
  stop.request_stop();
  EXPECT_EQ(open.get().code(), Code::kCancelled);
}

}  // namespace
}  // namespace panal::fleet
