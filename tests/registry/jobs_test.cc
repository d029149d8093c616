// Jobs and their states, also when the process that did them is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using ::testing::HasSubstr;
using JobsTest = CatalogueTest;

TEST_F(JobsTest, GoFromQueuedOverRunningToTheirResult) {
  const Job queued = catalogue->add_job("pretrain", Json{{"steps", 10}}).value();
  EXPECT_EQ(queued.state, JobState::kQueued);
  clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(catalogue->start_job(queued.id).ok());
  clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(catalogue->succeed_job(queued.id, Json{{"loss", 2.5}}).ok());
  reopen();
  const Job job = catalogue->find_job(queued.id).value();
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(job.spec.at("steps"), 10);
  EXPECT_EQ(job.result.at("loss"), 2.5);
  EXPECT_EQ(job.started_unix_ms, job.created_unix_ms + 1000);
  EXPECT_EQ(job.ended_unix_ms, job.created_unix_ms + 2000);
  EXPECT_EQ(job.error, "");
}

TEST_F(JobsTest, EndOnce) {
  const Job job = catalogue->add_job("pretrain", Json::object()).value();
  ASSERT_TRUE(catalogue->cancel_job(job.id, "the user pressed Ctrl-C").ok());
  EXPECT_EQ(catalogue->succeed_job(job.id, Json::object()).code(), Code::kConflict);
  EXPECT_THAT(catalogue->start_job(job.id).message(), HasSubstr("it is cancelled, not queued"));
  const Job found = catalogue->find_job(job.id).value();
  EXPECT_EQ(found.state, JobState::kCancelled);
  EXPECT_EQ(found.error, "the user pressed Ctrl-C");
  EXPECT_EQ(found.started_unix_ms, std::nullopt);
}

TEST_F(JobsTest, AreListedNewestFirst) {
  const Job first = catalogue->add_job("pretrain", Json::object()).value();
  const Job second = catalogue->add_job("evaluate", Json::object()).value();
  const auto jobs = catalogue->list_jobs().value();
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].id, second.id);
  EXPECT_EQ(catalogue->list_jobs(1).value().size(), 1u);
  EXPECT_EQ(catalogue->find_job("nothing").code(), Code::kNotFound);
  EXPECT_EQ(catalogue->add_job("../x", Json::object()).code(), Code::kInvalidArgument);
}

TEST_F(JobsTest, OfADeadProcessFailWithTheWayOnWhenTheCatalogueOpens) {
  const Job mine = catalogue->add_job("mine", Json::object()).value();
  ASSERT_TRUE(catalogue->start_job(mine.id).ok());
  catalogue.reset();  // A connection must not be carried over fork().
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto theirs = Catalogue::open(store::posix_file_system(), home, clock);
    const bool ok =
        theirs.ok() && (*theirs)->add_job("queued", Json::object()).ok() &&
        (*theirs)->start_job((*theirs)->add_job("running", Json::object()).value().id).ok();
    ::_exit(ok ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  reopen();
  int num_interrupted = 0;
  const auto jobs = catalogue->list_jobs().value();
  for (const auto& job : jobs) {
    if (job.id == mine.id) continue;
    EXPECT_EQ(job.state, JobState::kFailed);
    EXPECT_EQ(job.error, "interrupted; run it again to resume");
    EXPECT_TRUE(job.ended_unix_ms.has_value());
    ++num_interrupted;
  }
  EXPECT_EQ(num_interrupted, 2);
  EXPECT_EQ(catalogue->find_job(mine.id).value().state, JobState::kRunning) << "this process lives";
  EXPECT_EQ(catalogue->end_orphaned_jobs().value(), 0);
}

}  // namespace
}  // namespace panal::registry
