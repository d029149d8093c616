// Following and cancelling jobs, also those of other processes.
#include "hub/jobs.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <thread>

#include "hub/detail/event_journal.h"
#include "tests/hub/hive_fixture.h"

namespace panal::hub {
namespace {

/// Time passes only where somebody waits, and then the test says what happens.
class EventfulClock final : public Clock {
 public:
  Nanoseconds steady_now() const override { return now_; }
  std::int64_t unix_ms() const override { return 1'700'000'000'000; }
  void sleep_for(Nanoseconds duration) override {
    now_ += duration;
    if (on_wait) on_wait();
  }
  std::function<void()> on_wait;

 private:
  Nanoseconds now_{0};
};

TEST_F(HiveTest, AnEndedJobTellsAgainWhatItTold) {
  runner.scripts["train"] = [](const fleet::EngineJob& job,
                               const fleet::EngineEvent& on_event) -> Result<Json> {
    std::filesystem::create_directories(job.folder);
    on_event({work::JobMessage{"reading"}});
    on_event({work::TrainingProgress{.step = 1}});
    on_event({work::TrainingProgress{.step = 2}});  // In the same second: not kept.
    on_event({work::EvaluationPoint{.step = 2, .loss = 2.5}});
    return work::encode(work::TrainingSummary{});
  };
  ASSERT_TRUE(hive->run_job(work::TrainingJob{}, {.activity = "training"}, {}).ok());
  const auto job = follow_job(*hive, jobs()[0].id, watch());
  ASSERT_TRUE(job.ok()) << job.status().message();
  EXPECT_EQ(job->state, registry::JobState::kSucceeded);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].activity, "training");
  EXPECT_EQ(std::get<work::JobMessage>(events[0].what).text, "reading");
  EXPECT_EQ(std::get<work::TrainingProgress>(events[1].what).step, 1);
  EXPECT_EQ(std::get<work::EvaluationPoint>(events[2].what).loss, 2.5);
}

TEST_F(HiveTest, AJobIsFollowedWhileItGoesOn) {
  EventfulClock waiting;
  auto followed = Hive::open(hive->home(), waiting, runner).value();
  const auto job = catalogue().add_job("train", {}).value();
  ASSERT_TRUE(catalogue().start_job(job.id).ok());
  const auto at = catalogue().folder_of(job);
  std::filesystem::create_directories(at);
  detail::EventJournal journal(detail::journal_path(at, job.id), "training", clock);
  int waits = 0;
  waiting.on_wait = [&] {
    journal.write({work::JobMessage{std::to_string(++waits)}});
    if (waits < 3) return;
    EXPECT_TRUE(catalogue().fail_job(job.id, "the disk is full").ok());
  };
  const auto end = follow_job(*followed, job.id, watch());
  ASSERT_TRUE(end.ok()) << end.status().message();
  EXPECT_EQ(end->error, "the disk is full");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(std::get<work::JobMessage>(events[2].what).text, "3");
}

TEST_F(HiveTest, WhoStopsFollowingDoesNotStopTheJob) {
  const auto job = catalogue().add_job("train", {}).value();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(follow_job(*hive, job.id, {.stop = stop.get_token()}).code(), Code::kCancelled);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kQueued);
}

TEST_F(HiveTest, HalfALineOfAJournalWaitsForItsRest) {
  const auto path = folder / "events.jsonl";
  detail::JournalReader reader(path);
  reader.read_new(watch());
  const std::string line =
      to_line(work::encode(work::ToldEvent{"training", {work::JobMessage{"whole"}}}));
  test::write_plain(path, line.substr(0, 20));
  reader.read_new(watch());
  EXPECT_TRUE(events.empty());
  test::write_plain(path, line + "\nnonsense\n{}\n");
  reader.read_new(watch());
  reader.read_new(watch());
  ASSERT_EQ(events.size(), 1u);
}

TEST_F(HiveTest, AJobOfThisHiveIsCancelledFromAnotherThread) {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool is_running = false;
  runner.stoppable["train"] = [&](std::stop_token stop) -> Result<Json> {
    std::unique_lock lock(mutex);
    is_running = true;
    changed.notify_all();
    changed.wait(lock, stop, [] { return false; });
    return Status(Code::kCancelled, "stopped on request");
  };
  std::jthread canceller([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_running; });
    lock.unlock();
    EXPECT_TRUE(cancel_job(*hive, jobs()[0].id).ok());
  });
  EXPECT_EQ(hive->run_job(work::TrainingJob{}, {}, {}).code(), Code::kCancelled);
  canceller.join();
  EXPECT_EQ(jobs()[0].state, registry::JobState::kCancelled);
  EXPECT_EQ(cancel_job(*hive, jobs()[0].id).code(), Code::kConflict);
}

TEST_F(HiveTest, AJobOfAnotherProcessIsAskedToEnd) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto job = catalogue().add_job("train", {}).value();
  ASSERT_TRUE(catalogue().start_job(job.id, child).ok());
  EXPECT_TRUE(cancel_job(*hive, job.id).ok());
  int how = 0;
  ASSERT_EQ(::waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFSIGNALED(how) && WTERMSIG(how) == SIGTERM);
  // Its process is gone now: the job has ended, and a second cancelling says so.
  EXPECT_EQ(cancel_job(*hive, job.id).code(), Code::kConflict);
  EXPECT_EQ(jobs()[0].state, registry::JobState::kFailed);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(HiveTest, TheLogOfATrainingJobIsFoundInItsRunFolder) {
  const auto at = hive->home().jobs / "train-abc";
  std::filesystem::create_directories(at);
  test::write_plain(at / "log.txt", "what torch said");
  const auto job = catalogue().add_job("train", {}, "train-abc").value();
  EXPECT_EQ(read_job_log(*hive, job.id).value().text, "what torch said");
  EXPECT_EQ(read_job_log(*hive, "nobody").code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::hub
