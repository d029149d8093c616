#include "fleet/engine_job.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "base/hash.h"
#include "work/job.h"

namespace panal::fleet {
namespace {

// A shell script in the place of panal-engine: what matters here is what the control side makes of
// its words.
class EngineJobTest : public testing::Test {
 protected:
  EngineJobTest()
      : folder_(std::filesystem::temp_directory_path() / ("panal-job-" + random_hex(8))) {
    std::filesystem::create_directories(folder_);
  }
  ~EngineJobTest() override {
    unsetenv("PANAL_ENGINE");
    std::filesystem::remove_all(folder_);
  }
  Result<Json> run(const std::string& script, std::stop_token stop = {}) {
    const auto program = folder_ / "engine.sh";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    setenv("PANAL_ENGINE", program.c_str(), 1);
    return run_engine_job(
        {"check", Json{{"model", "x"}}, folder_ / "job", processes_},
        [&](const work::JobEvent& event) {
          events_.push_back(event);
          if (on_event_) on_event_();
        },
        stop);
  }
  std::filesystem::path folder_;
  int processes_ = 1;
  std::vector<work::JobEvent> events_;
  std::function<void()> on_event_;
};

TEST_F(EngineJobTest, PassesEventsOnAndReturnsTheResult) {
  const auto result = run(
      R"(echo '{"version":"1.0","event":"advance","fraction":0.5}'; echo chatter; echo '{"version":"1.0","event":"result","result":{"tokens":7}}')");
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->at("tokens"), 7);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(std::get<work::JobAdvance>(events_[0].event).fraction, 0.5);
  std::ifstream job(folder_ / "job/job.json");
  EXPECT_EQ(Json::parse(job).at("kind"), "check");
}

// Each of several processes finds its own place in its own job.json.
TEST_F(EngineJobTest, ProcessesThatShareAJobAreToldTheirPlaces) {
  processes_ = 3;
  ASSERT_TRUE(run(R"(echo '{"version":"1.0","event":"result","result":{}}')").ok());
  std::set<std::string> tokens;
  for (const auto& [place, rank] : {std::pair("job", 0), {"job/rank_1", 1}, {"job/rank_2", 2}}) {
    std::ifstream file(folder_ / place / "job.json");
    const auto job = work::decode<work::JobFile>(Json::parse(file), place);
    ASSERT_TRUE(job.ok()) << job.status().message();
    ASSERT_TRUE(job->group.has_value());
    EXPECT_EQ(job->group->rank, rank);
    EXPECT_EQ(job->group->size, 3);
    tokens.insert(job->group->token);
  }
  EXPECT_EQ(tokens.size(), 1u);
}

TEST_F(EngineJobTest, ReturnsTheErrorTheJobNamed) {
  const auto result = run(
      R"(echo '{"version":"1.0","event":"error","code":"corrupt","message":"torn file"}'; exit 1)");
  EXPECT_EQ(result.code(), Code::kCorrupt);
  EXPECT_EQ(result.status().message(), "torn file");
}

TEST_F(EngineJobTest, ADeathWithoutAWordNamesTheLog) {
  const auto result = run("kill -9 $$");
  EXPECT_EQ(result.code(), Code::kUnavailable);
  EXPECT_NE(result.status().message().find("signal 9"), std::string::npos);
  EXPECT_NE(result.status().message().find("log.txt"), std::string::npos);
}

TEST_F(EngineJobTest, AResultDoesNotCountWhenTheJobFailedAfterIt) {
  EXPECT_FALSE(run(R"(echo '{"version":"1.0","event":"result","result":{}}'; exit 1)").ok());
}

TEST_F(EngineJobTest, AStopRequestReachesTheChild) {
  std::stop_source stop;
  on_event_ = [&] { stop.request_stop(); };
  const auto result = run(
      R"(trap 'exit 0' TERM; echo '{"version":"1.0","event":"advance","fraction":0}'; while :; do sleep 0.05; done)",
      stop.get_token());
  EXPECT_EQ(result.code(), Code::kCancelled);
}

}  // namespace
}  // namespace panal::fleet
