// Whole runs on toys: what a finished one leaves, that a resumed one equals one that never stopped,
// and what a user is told when data, directory, disk or numbers are wrong.
#include "train/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/rng.h"
#include "base/timing.h"
#include "model/decoder.h"
#include "store/faulty_file_system.h"
#include "tests/train/toy_run.h"
#include "tokenizer/tokenizer.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

constexpr const char* kWeights = "model/model.safetensors";

std::string weights_of(const recipe::RunConfig& config) {
  const std::string bytes = read_text(config.run_directory / kWeights);
  EXPECT_FALSE(bytes.empty());
  return bytes;
}

TEST(Run, LearnsAndLeavesEverythingItPromises) {
  TestFolder folder("whole");
  const recipe::RunConfig config = toy_config(folder.path(), toy_yaml("limits: {steps: 60}\n"));
  RecordingEvents events;
  const auto summary = run_toy(config, events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->status, work::RunStatus::kCompleted);
  EXPECT_EQ(summary->steps, 60);
  EXPECT_EQ(events.steps.size(), 60u);
  EXPECT_LT(summary->last_evaluation->loss, summary->first_evaluation->loss * 0.7);
  EXPECT_LT(summary->training_loss, events.steps.front().loss.value() * 0.7);
  EXPECT_GT(summary->tokens_per_second, 0);
  EXPECT_FALSE(events.sample.empty());
  EXPECT_EQ(summary->energy.method.empty(), false);
  for (const char* name : {"config.json", "plan.json", "summary.json", "metrics.jsonl", "loss.svg",
                           "sample.txt", "tokenizer/tokenizer.json", "data/training.tokens",
                           "model/config.json", "model/tokenizer.json", kWeights}) {
    EXPECT_TRUE(std::filesystem::exists(config.run_directory / name)) << name;
  }
  EXPECT_TRUE(model::load_decoder(config.run_directory / "model").ok());
  EXPECT_TRUE(tokenizer::Tokenizer::load(config.run_directory / "model").ok());
  const auto kept = std::filesystem::directory_iterator(config.run_directory / "checkpoints");
  EXPECT_EQ(std::distance(begin(kept), end(kept)), 2);
}

TEST(Run, AnswersFromItsSummaryWhenItIsDone) {
  TestFolder folder("again");
  const recipe::RunConfig config = toy_config(folder.path(), toy_yaml());
  RecordingEvents first, second;
  const auto before = run_toy(config, first);
  ASSERT_TRUE(before.ok()) << before.status().message();
  const auto again = run_toy(config, second);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(second.steps.empty());
  EXPECT_EQ(work::to_json(*again), work::to_json(*before));
}

TEST(Run, EqualSeedsGiveEqualBitsAndOthersDoNot) {
  TestFolder folder("seeds");
  RecordingEvents events;
  const auto one = toy_config(folder.path(), toy_yaml(), "one");
  const auto two = toy_config(folder.path(), toy_yaml(), "two");
  const auto other = toy_config(folder.path(), toy_yaml() + "seed: 2\n", "other");
  for (const auto* config : {&one, &two, &other}) ASSERT_TRUE(run_toy(*config, events).ok());
  EXPECT_EQ(weights_of(one), weights_of(two));
  EXPECT_NE(weights_of(one), weights_of(other));
}

// The promise of resume, for plain rules and those that train ahead of their weights, at steps with
// and without a checkpoint of their own.
TEST(Run, StoppedAndResumedEqualsNeverStopped) {
  for (const std::string rule : {"muon", "adamw", "transported_scion", "ema_nesterov"}) {
    TestFolder folder("resume_" + rule);
    std::string yaml = toy_yaml();
    const std::string muon = "rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02";
    if (rule == "ema_nesterov") {
      yaml.replace(yaml.find(muon), muon.size(), muon + ", ema_nesterov: {extrapolation: 0.6}");
    } else if (rule != "muon") {
      yaml.replace(yaml.find(muon), muon.size(), "rule: " + rule + ", learning_rate: 0.003");
    }
    RecordingEvents events;
    const auto whole = toy_config(folder.path(), yaml, "whole");
    ASSERT_TRUE(run_toy(whole, events).ok());
    for (const std::int64_t stop_step : {1, 4, 7, 11}) {
      const auto parts = toy_config(folder.path(), yaml, "parts" + std::to_string(stop_step));
      RecordingEvents stopped, resumed;
      stopped.stop_after_step = stop_step;
      const auto first = run_toy(parts, stopped);
      ASSERT_TRUE(first.ok()) << first.status().message();
      EXPECT_EQ(first->status, work::RunStatus::kStopped);
      EXPECT_EQ(first->steps, stop_step);
      EXPECT_FALSE(std::filesystem::exists(parts.run_directory / "model"));
      const auto second = run_toy(parts, resumed);
      ASSERT_TRUE(second.ok()) << second.status().message();
      EXPECT_EQ(second->resumed_from_step, stop_step);
      EXPECT_EQ(second->tokens, 12 * 4 * 32);
      EXPECT_EQ(weights_of(parts), weights_of(whole)) << rule << " stopped at " << stop_step;
      EXPECT_EQ(second->last_evaluation->loss, run_toy(whole, events)->last_evaluation->loss);
    }
  }
}

// bfloat16 weights: their low bits are optimizer state, so a resume ends with the same bits; also
// one that keeps less of the forward pass than the run began with. Other weights are refused.
TEST(Run, ResumesBfloat16WeightsToTheBitAndMayRecompute) {
  TestFolder folder("rounded");
  const std::string muon = "rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02";
  const auto yaml = [&](const std::string& memory, const std::string& more) {
    std::string text = toy_yaml() + "precision: bf16\nmemory: {" + memory + "}\n";
    return text.replace(text.find(muon), muon.size(), muon + ", state_precision: bf16" + more);
  };
  const auto config_of = [&](const std::string& text, const std::string& run) {
    return toy_config(folder.path(), text, run, with_bfloat16());
  };
  for (const std::string more : {"", ", ema_nesterov: {extrapolation: 0.6}"}) {
    const std::string name = more.empty() ? "plain" : "ahead";
    RecordingEvents events;
    const auto whole = config_of(yaml("weights: bf16", more), name);
    const auto summary = run_toy(whole, events);
    ASSERT_TRUE(summary.ok()) << summary.status().message();
    EXPECT_LT(summary->last_evaluation->loss, summary->first_evaluation->loss);
    const std::string parts = name + "_parts";
    RecordingEvents stopped, refused;
    stopped.stop_after_step = 7;
    ASSERT_TRUE(run_toy(config_of(yaml("weights: bf16", more), parts), stopped).ok());
    const auto other = run_toy(config_of(yaml("weights: fp32", more), parts), refused);
    EXPECT_EQ(other.code(), Code::kConflict);
    EXPECT_THAT(other.status().message(), HasSubstr("memory.weights"));
    const auto config = config_of(yaml("weights: bf16, recompute: full", more), parts);
    const auto resumed = run_toy(config, events);
    ASSERT_TRUE(resumed.ok()) << resumed.status().message();
    EXPECT_EQ(resumed->resumed_from_step, 7);
    EXPECT_EQ(weights_of(config), weights_of(whole));
    EXPECT_EQ(resumed->last_evaluation->loss, summary->last_evaluation->loss);
    const auto exported = model::load_decoder(config.run_directory / "model");
    ASSERT_TRUE(exported.ok()) << exported.status().message();
  }
}

// metrics.jsonl of a resumed run reads like that of one run: each step once.
TEST(Run, JournalHasEachStepOnceAfterAResume) {
  TestFolder folder("journal");
  const auto config = toy_config(folder.path(), toy_yaml());
  RecordingEvents stopped, resumed;
  stopped.stop_after_step = 6;
  ASSERT_TRUE(run_toy(config, stopped).ok());
  std::filesystem::remove_all(config.run_directory / "checkpoints/step_00000006");
  ASSERT_EQ(run_toy(config, resumed)->resumed_from_step, 4);
  const std::string text = read_text(config.run_directory / "metrics.jsonl");
  for (int step = 1; step <= 12; ++step) {
    const std::string key = "{\"step\":" + std::to_string(step) + ",\"loss\":";
    const std::size_t found = text.find(key);
    ASSERT_NE(found, std::string::npos) << step;
    EXPECT_EQ(text.find(key, found + 1), std::string::npos) << step;
  }
}

// A call that is asked to stop when an evaluation is due leaves it to the next one.
TEST(Run, ScoresAfterAResumeWhatAStopKeptItFromScoring) {
  TestFolder folder("due");
  const auto whole = toy_config(folder.path(), toy_yaml(), "whole");
  const auto parts = toy_config(folder.path(), toy_yaml(), "parts");
  RecordingEvents events, stopped, resumed;
  stopped.stop_after_step = 6;  // Scored after steps 0, 3, 6, 9 and 12.
  ASSERT_TRUE(run_toy(whole, events).ok());
  ASSERT_TRUE(run_toy(parts, stopped).ok());
  const auto checkpoints = parts.run_directory / "checkpoints";
  std::filesystem::copy(checkpoints, folder.path() / "kept",
                        std::filesystem::copy_options::recursive);
  ASSERT_TRUE(run_toy(parts, resumed).ok());
  std::vector<work::EvaluationPoint> both = stopped.evaluations;
  both.insert(both.end(), resumed.evaluations.begin(), resumed.evaluations.end());
  ASSERT_EQ(both.size(), events.evaluations.size());
  for (std::size_t i = 0; i < both.size(); ++i) {
    EXPECT_EQ(both[i].step, events.evaluations[i].step);
    EXPECT_EQ(both[i].loss, events.evaluations[i].loss) << "step " << both[i].step;
  }
  // A call that was killed after it had scored the step, and before its next checkpoint.
  std::filesystem::remove_all(checkpoints);
  std::filesystem::rename(folder.path() / "kept", checkpoints);
  std::filesystem::remove(parts.run_directory / "summary.json");
  RecordingEvents again;
  ASSERT_EQ(run_toy(parts, again)->resumed_from_step, 6);
  const std::string text = read_text(parts.run_directory / "metrics.jsonl");
  const std::string scored = "{\"step\":6,\"validation_loss\"";
  ASSERT_NE(text.find(scored), std::string::npos);
  EXPECT_EQ(text.find(scored), text.rfind(scored));
}

// Whatever moment the process dies at, the next call goes on and ends with the same bits.
TEST(Run, SurvivesSigkillAtAnyMoment) {
  TestFolder folder("kill");
  RecordingEvents events;
  const std::string yaml = toy_yaml("limits: {steps: 30, threads: 1}\n");
  const auto whole = toy_config(folder.path(), yaml, "whole");
  const Stopwatch watch;
  ASSERT_TRUE(run_toy(whole, events).ok());
  const Nanoseconds took = watch.elapsed();
  const std::uint64_t seed = 20260;
  Rng rng(seed);
  const auto killed = toy_config(folder.path(), yaml, "killed");
  for (int round = 0; round < 6; ++round) {
    // The test's own program, asked to train (main.cc): a fork would inherit threads that are not
    // there.
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::execl("/proc/self/exe", "train_test", "--train", folder.path().c_str(), "killed",
              yaml.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    // Any moment is as good as another: nothing is waited for but time.
    const Nanoseconds longest = took + std::chrono::milliseconds(500);
    system_clock().sleep_for(Nanoseconds(rng.below(static_cast<std::uint64_t>(longest.count()))));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "it could not train";
  }
  const auto summary = run_toy(killed, events);
  ASSERT_TRUE(summary.ok()) << summary.status().message() << " seed " << seed;
  EXPECT_EQ(weights_of(killed), weights_of(whole)) << "seed " << seed;
}

TEST(Run, GoesBackToTheCheckpointBeforeADamagedOne) {
  TestFolder folder("damaged");
  const auto whole = toy_config(folder.path(), toy_yaml(), "whole");
  const auto config = toy_config(folder.path(), toy_yaml(), "damaged");
  RecordingEvents events, stopped, resumed;
  ASSERT_TRUE(run_toy(whole, events).ok());
  stopped.stop_after_step = 10;
  ASSERT_TRUE(run_toy(config, stopped).ok());
  const auto newest = config.run_directory / "checkpoints/step_00000010/optimizer.safetensors";
  std::string bytes = read_text(newest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_text(newest, bytes);
  const auto summary = run_toy(config, resumed);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->resumed_from_step, 8);
  EXPECT_THAT(resumed.messages, HasSubstr("step_00000010 cannot be used"));
  EXPECT_EQ(weights_of(config), weights_of(whole));
}

TEST(Run, SaysSoWhenNoCheckpointIsWhole) {
  TestFolder folder("all_damaged");
  const auto config = toy_config(folder.path(), toy_yaml());
  RecordingEvents stopped, resumed;
  stopped.stop_after_step = 5;
  ASSERT_TRUE(run_toy(config, stopped).ok());
  for (const auto& entry :
       std::filesystem::directory_iterator(config.run_directory / "checkpoints")) {
    write_text(entry.path() / "state.json", "{\"format\":");
  }
  const auto summary = run_toy(config, resumed);
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(summary.status().message(), HasSubstr("none of 2 checkpoints can be used"));
}

TEST(Run, RefusesAnotherConfigAndNamesTheField) {
  TestFolder folder("conflict");
  const auto config = toy_config(folder.path(), toy_yaml());
  RecordingEvents stopped, events;
  stopped.stop_after_step = 2;
  ASSERT_TRUE(run_toy(config, stopped).ok());
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("width: 32"), 9, "width: 64");
  const auto refused = run_toy(toy_config(folder.path(), yaml), events);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("model.width = 32, but the config now says 64"));
  // What does not shape the weights may change.
  const auto allowed = toy_yaml("limits: {steps: 12, max_seconds: 500}\nname: renamed\n");
  std::string renamed = allowed;
  renamed.replace(renamed.find("name: toy\n"), 10, "");
  EXPECT_EQ(run_toy(toy_config(folder.path(), renamed), events)->status,
            work::RunStatus::kCompleted);
}

// Tokens are made once: a text that is another one by now, or gone, is never passed over.
TEST(Run, RefusesToGoOnWithOtherDataOrNone) {
  TestFolder folder("other_data");
  const auto config = toy_config(folder.path(), toy_yaml());
  const auto text = folder.path() / "text.txt";
  const std::string before = read_text(text);
  RecordingEvents stopped, events;
  stopped.stop_after_step = 2;
  ASSERT_TRUE(run_toy(config, stopped).ok());
  std::string changed = before;
  changed[changed.size() / 2] = changed[changed.size() / 2] == 'x' ? 'y' : 'x';
  write_text(text, changed);
  const auto refused = run_toy(config, events);
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("what data.paths leads to is not what the run"));
  std::filesystem::remove(text);
  const auto gone = run_toy(config, events);
  EXPECT_EQ(gone.code(), Code::kNotFound);
  EXPECT_THAT(gone.status().message(), HasSubstr("text.txt"));
  // Put back, also under another name, it goes on; and then it is done.
  write_text(folder.path() / "moved.txt", before);
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("text.txt"), 8, "moved.txt");
  write_text(text, "");  // So that the helper does not make it.
  const auto moved = toy_config(folder.path(), yaml);
  EXPECT_EQ(run_toy(moved, events)->resumed_from_step, 2);
  write_text(folder.path() / "moved.txt", changed);
  EXPECT_EQ(run_toy(moved, events).code(), Code::kConflict);
}

// Before the first step a directory may become that of other data.
TEST(Run, PreparesOtherDataWhenNoStepWasTaken) {
  TestFolder folder("prepared");
  const auto config = toy_config(folder.path(), toy_yaml());
  RecordingEvents events;
  ASSERT_TRUE(run_toy(config, events).ok());
  const std::string first = weights_of(config);
  for (const char* name : {"plan.json", "checkpoints", "summary.json"}) {
    std::filesystem::remove_all(config.run_directory / name);
  }
  write_text(folder.path() / "text.txt", toy_text(80));
  ASSERT_TRUE(run_toy(config, events).ok());
  EXPECT_NE(weights_of(config), first);
}

TEST(Run, TwoAtOnceInOneDirectoryAreRefused) {
  TestFolder folder("twice");
  const auto config = toy_config(folder.path(), toy_yaml());
  class Second final : public RunEvents {
   public:
    explicit Second(const recipe::RunConfig& config) : config_(config) {}
    void on_progress(const work::TrainingProgress&) override {
      RecordingEvents events;
      if (!second) second = run_toy(config_, events).status();
    }
    const recipe::RunConfig& config_;
    std::optional<Status> second;
  } events(config);
  ASSERT_TRUE(run(config, events).ok());
  EXPECT_EQ(events.second->code(), Code::kConflict);
}

// With only a time limit the number of steps is decided by measuring, and a resume knows it.
TEST(Run, PlansStepsFromTimeAndAResumeGoesOnByThePlan) {
  TestFolder folder("time");
  const auto config = toy_config(folder.path(), toy_yaml("limits: {max_seconds: 6}\n"));
  RecordingEvents stopped, resumed;
  stopped.stop_after_step = 2;
  const auto first = run_toy(config, stopped);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_GE(first->planned_steps, 1);
  const auto second = run_toy(config, resumed);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(resumed.steps.at(0).steps, first->planned_steps);
  EXPECT_NE(second->status, work::RunStatus::kStopped);
  EXPECT_TRUE(std::filesystem::exists(second->model_folder));
}

// A plan that was made anew while the run went, as a clock might have had it: whoever goes on, from
// before or after that, takes each step by the number of steps it was taken under.
TEST(Run, StepsTakenAgainFollowThePlanOfTheFirstTime) {
  TestFolder folder("replanned");
  const std::string yaml = toy_yaml("limits: {max_seconds: 50000}\nschedule: {shape: linear}\n");
  const std::string plan = R"({"steps":24,"warmup_steps":2,"decisions":[{"from_step":0,"steps":8},)"
                           R"({"from_step":4,"steps":24}],"threads":1,"for_seconds":50000})";
  RecordingEvents events;
  const auto planned = [&](const std::string& name) {
    auto config = toy_config(folder.path(), yaml, name);
    std::filesystem::create_directories(config.run_directory);
    write_text(config.run_directory / "plan.json", plan);
    return config;
  };
  const auto whole = planned("whole");
  const auto summary = run_toy(whole, events);
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->steps, 24);
  EXPECT_GT(events.steps.at(4).learning_rate, events.steps.at(3).learning_rate);
  for (const std::int64_t stop_step : {3, 6}) {
    const auto parts = planned("parts" + std::to_string(stop_step));
    RecordingEvents stopped, resumed;
    stopped.stop_after_step = stop_step;
    ASSERT_TRUE(run_toy(parts, stopped).ok());
    // The checkpoint before the decision.
    if (stop_step == 6)
      std::filesystem::remove_all(parts.run_directory / "checkpoints/step_00000006");
    ASSERT_TRUE(run_toy(parts, resumed).ok());
    EXPECT_EQ(weights_of(parts), weights_of(whole)) << stop_step;
  }
}

// A finished run that is told to do more goes on from its end; told the same, it is done; told to
// do less than it did, it says so.
TEST(Run, GoesOnWithMoreStepsAndRefusesFewer) {
  TestFolder folder("more");
  const auto of = [&](int steps, const std::string& name) {
    return toy_config(folder.path(),
                      toy_yaml("limits: {steps: " + std::to_string(steps) +
                               "}\nschedule: {shape: constant, warmup_steps: 2}\n"),
                      name);
  };
  RecordingEvents events, more, less;
  ASSERT_TRUE(run_toy(of(20, "whole"), events).ok());
  ASSERT_TRUE(run_toy(of(12, "parts"), events).ok());
  const auto longer = run_toy(of(20, "parts"), more);
  ASSERT_TRUE(longer.ok()) << longer.status().message();
  EXPECT_EQ(longer->resumed_from_step, 12);
  EXPECT_EQ(longer->steps, 20);
  EXPECT_THAT(more.messages,
              HasSubstr("planned anew at step 12: 20 steps in all, not 12; the steps "
                        "so far are those of a run planned for as many"));
  EXPECT_EQ(weights_of(of(20, "parts")), weights_of(of(20, "whole")));
  const auto fewer = run_toy(of(16, "parts"), less);
  EXPECT_EQ(fewer.code(), Code::kConflict);
  EXPECT_THAT(fewer.status().message(), HasSubstr("limits.steps was 20 and is now 16"));
}

// A time limit ends a run of many steps with a model, and more time goes on with the same schedule.
TEST(Run, EndsAtTheTimeLimitAndGoesOnWithMoreTime) {
  TestFolder folder("limit");
  RecordingEvents events, more;
  const auto whole = toy_config(folder.path(), toy_yaml("limits: {steps: 12}\n"), "whole");
  ASSERT_TRUE(run_toy(whole, events).ok());
  const auto brief = toy_config(folder.path(), toy_yaml("limits: {steps: 12, max_seconds: 1}\n"));
  const auto first = run_toy(brief, events);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_EQ(first->status,
            work::RunStatus::kTimeLimit);  // The reserve for the end alone takes the second.
  EXPECT_LT(first->steps, 12);
  EXPECT_TRUE(std::filesystem::exists(first->model_folder));
  const auto longer =
      toy_config(folder.path(), toy_yaml("limits: {steps: 12, max_seconds: 900}\n"));
  const auto second = run_toy(longer, more);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(second->status, work::RunStatus::kCompleted);
  EXPECT_EQ(weights_of(longer), weights_of(whole));
}

// Disk full at any step of writing, for a while: before the first step a clear end, later a pause.
// In both cases the same bits in the end, and never without a whole checkpoint once there was one.
TEST(Run, FullDiskPausesTheRunAndChangesNothing) {
  TestFolder folder("disk");
  ManualClock clock;  // Nobody really waits.
  energy::SyntheticMeter meter;
  RecordingEvents events;
  const auto whole = toy_config(folder.path(), toy_yaml(), "whole");
  ASSERT_TRUE(run_toy(whole, events).ok());
  int num_paused = 0;
  const auto attempt = [&](const std::string& name, std::uint64_t step) {
    const auto config = toy_config(folder.path(), toy_yaml(), name);
    store::FaultyFileSystem files(
        {.kind = store::FaultKind::kFail, .at_step = step, .num_steps = 5});
    RecordingEvents told;
    auto result = run(config, told, {}, {.files = files, .clock = clock, .meter = meter});
    // A pause tells what is full and that the run went on; so does an end.
    const bool paused = told.messages.find("training pauses: ") != std::string::npos;
    if (paused) {
      EXPECT_THAT(told.messages, HasSubstr("no space left"));
      EXPECT_THAT(told.messages, HasSubstr("training goes on"));
      EXPECT_TRUE(result.ok()) << result.status().message();
      EXPECT_EQ(weights_of(config), weights_of(whole)) << name;
    }
    num_paused += paused ? 1 : 0;
    return std::pair(std::move(result), files.num_steps());
  };
  const auto [fine, num_steps] = attempt("fine", ~std::uint64_t{0});
  ASSERT_TRUE(fine.ok()) << fine.status().message();
  const std::uint64_t seed = 77;
  Rng rng(seed);
  for (int i = 0; i < 12; ++i) {
    const std::string name = "full" + std::to_string(i);
    const auto [failed, unused] = attempt(name, rng.below(num_steps));
    if (!failed.ok()) {
      EXPECT_EQ(failed.code(), Code::kResourceExhausted) << failed.status().message();
    }
    const auto config = toy_config(folder.path(), toy_yaml(), name);
    ASSERT_TRUE(run_toy(config, events).ok());
    EXPECT_EQ(weights_of(config), weights_of(whole)) << name;
  }
  EXPECT_GE(num_paused, 4) << "seed " << seed;
}

TEST(Run, AddsUpEnergyOverResumes) {
  TestFolder folder("energy");
  SystemClock clock;
  energy::SyntheticMeter meter;
  meter.set_joules_per_sample(5.0);
  const auto config = toy_config(folder.path(), toy_yaml());
  RecordingEvents stopped, resumed;
  stopped.stop_after_step = 3;
  const RunEnvironment environment{
      .files = store::posix_file_system(), .clock = clock, .meter = meter};
  const auto first = run(config, stopped, stopped.stop.get_token(), environment);
  ASSERT_TRUE(first.ok()) << first.status().message();
  const auto second = run(config, resumed, {}, environment);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(second->energy.method, "measured:synthetic");
  EXPECT_GT(second->energy.joules.value(), first->energy.joules.value());
}

struct BadData {
  const char* name;
  std::string text;
  const char* told;
};

TEST(Run, TellsWhatIsWrongWithTheData) {
  const std::vector<BadData> table = {
      {"empty", "", "text.txt"},
      {"binary", std::string("abc\0def", 7), "text.txt"},
      {"latin1",
       "a\xE9"
       "b",
       "text.txt"},
      {"short", "one two three four five. one two three four five.", "vocabulary"},
  };
  for (const auto& bad : table) {
    TestFolder folder(std::string("bad_") + bad.name);
    write_text(folder.path() / "text.txt", bad.text);
    RecordingEvents events;
    const auto summary = run_toy(toy_config(folder.path(), toy_yaml()), events);
    ASSERT_FALSE(summary.ok()) << bad.name;
    EXPECT_EQ(summary.code(), Code::kInvalidArgument) << summary.status().message();
    EXPECT_THAT(summary.status().message(), HasSubstr(bad.told)) << bad.name;
  }
}

TEST(Run, RefusesDataShorterThanOneWindow) {
  TestFolder folder("window");
  write_text(folder.path() / "text.txt", toy_text(60));
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("context_length: 32"), 18, "context_length: 900000");
  yaml.replace(yaml.find("context: 32"), 11, "context: 900000");
  RecordingEvents events;
  const auto summary = run_toy(toy_config(folder.path(), yaml), events);
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(summary.status().message(), HasSubstr("900001"));
  // The mistake can be put right in the same directory, since no step was taken.
  EXPECT_TRUE(run_toy(toy_config(folder.path(), toy_yaml()), events).ok());
}

TEST(Run, NamesAPathThatIsNotThere) {
  TestFolder folder("paths");
  write_text(folder.path() / "text.txt", toy_text(10));
  RecordingEvents events;
  std::string yaml = toy_yaml();
  yaml.replace(yaml.find("path: text.txt"), 14, "path: nowhere.txt");
  const auto no_text = run_toy(toy_config(folder.path(), yaml), events);
  EXPECT_EQ(no_text.code(), Code::kNotFound);
  EXPECT_THAT(no_text.status().message(), HasSubstr("nowhere.txt"));
  const auto no_core = run_toy(
      toy_config(folder.path(),
                 "kind: lora\nmodel: {core: no_core}\ndata: {path: text.txt}\nlimits: {steps: 1}\n",
                 "lora"),
      events);
  EXPECT_EQ(no_core.code(), Code::kNotFound);
  EXPECT_THAT(no_core.status().message(), HasSubstr("no_core"));
}

}  // namespace
}  // namespace panal::train
