// Time limits on machines whose speed the test decides, and limits that change between calls.
#include "train/detail/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

using detail::Planner;
using testing::HasSubstr;

// One call of a run whose steps take as long as the test says.
class Machine {
 public:
  Machine(const std::filesystem::path& folder, const std::string& limits,
          const std::string& schedule = "{shape: cosine}")
      : config_(
            toy_config(folder, toy_yaml("limits: " + limits + "\nschedule: " + schedule + "\n"))),
        trainer_(config_, model::Decoder::random(dimensions(), 1),
                 toy_stream(toy_shard(folder, 320), config_)) {
    std::filesystem::create_directories(config_.run_directory);
  }

  // As if this number had been measured before the first step.
  void has_planned(std::int64_t steps) { has_planned(steps, config_.limits.max_seconds); }
  void has_planned(std::int64_t steps, std::optional<double> for_seconds) {
    detail::Plan plan;
    plan.steps = detail::StepPlan(config_.schedule, steps);
    plan.for_seconds = for_seconds;
    plan.threads = 1;
    ok_or_throw(detail::write_plan(files(), config_.run_directory / "plan.json", plan));
  }

  void has_measured(double step_seconds) { pace_.note_step(step_seconds); }

  Status begin() {
    PANAL_TRY(planner_.open());
    return planner_.begin(counters_, 0, trainer_);
  }
  void take_steps(std::int64_t count, double step_seconds) {
    for (std::int64_t i = 0; i < count && counters_.step < planner_.steps(); ++i) {
      clock_.advance(
          std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(step_seconds)));
      pace_.note_step(step_seconds);
      counters_.training_seconds += step_seconds;
      ++counters_.step;
      ok_or_throw(planner_.adjust(counters_.step));
    }
  }

  double seconds() const { return spending_.seconds(); }
  const Planner& planner() const { return planner_; }
  detail::Counters& counters() { return counters_; }
  const std::string& told() const { return events_.messages; }
  detail::Plan written() const {
    return detail::read_plan(config_.run_directory / "plan.json").value().value();
  }

 private:
  static store::FileSystem& files() { return store::posix_file_system(); }
  recipe::ModelConfig dimensions() const {
    recipe::ModelConfig model = config_.model.dimensions;
    model.vocabulary_size = 320;
    return model;
  }

  recipe::RunConfig config_;
  ManualClock clock_;
  energy::SyntheticMeter meter_;
  RecordingEvents events_;
  RunEnvironment environment_{.files = files(), .clock = clock_, .meter = meter_};
  detail::Ranks ranks_{nullptr};
  detail::RunContext context_{.config = config_,
                              .events = events_,
                              .stop = {},
                              .environment = environment_,
                              .ranks = ranks_};
  detail::Spending spending_{clock_, meter_};
  detail::Pace pace_{spending_, config_.limits.max_seconds};
  detail::DiskPatience patience_{clock_, [] { return true; }, [](std::string_view) {}};
  detail::Counters counters_;
  detail::Trainer trainer_;
  Planner planner_{context_, pace_, patience_};
};

// Measured while another program had the cores: 10 steps of 8 s. Then they take 1 s.
TEST(Planner, GivesTheTimeToMoreStepsWhenTheMachineIsFreeAgain) {
  TestFolder folder("faster");
  Machine machine(folder.path(), "{max_seconds: 90}");
  machine.has_planned(10);
  ASSERT_TRUE(machine.begin().ok());
  machine.has_measured(8.0);
  machine.take_steps(1000, 1.0);
  EXPECT_GT(machine.planner().steps(), 75);
  EXPECT_EQ(machine.counters().step, machine.planner().steps());
  EXPECT_GT(machine.seconds(), 75);
  EXPECT_LT(machine.seconds(), 90);
  EXPECT_THAT(machine.told(), HasSubstr("where a step takes 1.00 s"));
  EXPECT_EQ(machine.written().steps, machine.planner().step_plan());
}

TEST(Planner, GivesTheTimeToFewerStepsWhenTheMachineGetsBusy) {
  TestFolder folder("slower");
  Machine machine(folder.path(), "{max_seconds: 100}");
  machine.has_planned(95);
  ASSERT_TRUE(machine.begin().ok());
  machine.take_steps(1000, 2.0);
  EXPECT_LT(machine.planner().steps(), 50);
  EXPECT_EQ(machine.counters().step, machine.planner().steps());
  EXPECT_LT(machine.seconds(), 100);
  EXPECT_GT(machine.seconds(), 85);
}

// Once the decay has begun the number stays, whatever the clock says.
TEST(Planner, LeavesTheNumberAloneWhenTheRateDependsOnIt) {
  TestFolder folder("late");
  Machine machine(folder.path(), "{max_seconds: 100}");
  machine.has_planned(80);
  ASSERT_TRUE(machine.begin().ok());
  machine.take_steps(40, 1.1);
  const auto planned = machine.planner().steps();
  const auto decided = machine.planner().step_plan().decided_from();
  machine.take_steps(1000, 0.01);
  EXPECT_EQ(machine.planner().steps(), planned);
  EXPECT_LT(decided, 20);
}

// A constant rate never depends on it, so the time is used to its end.
TEST(Planner, FillsTheTimeAtAConstantRate) {
  TestFolder folder("constant");
  Machine machine(folder.path(), "{max_seconds: 100}", "{shape: constant}");
  machine.has_planned(20);
  ASSERT_TRUE(machine.begin().ok());
  machine.take_steps(15, 4.0);
  machine.take_steps(1000, 0.5);
  EXPECT_GT(machine.seconds(), 85);
  EXPECT_LT(machine.seconds(), 100);
}

// A step limit is the config's word: no clock changes it.
TEST(Planner, NeverChangesStepsThatTheConfigNames) {
  TestFolder folder("told");
  Machine machine(folder.path(), "{steps: 30, max_seconds: 1000}", "{shape: constant}");
  ASSERT_TRUE(machine.begin().ok());
  machine.take_steps(1000, 0.01);
  EXPECT_EQ(machine.counters().step, 30);
  EXPECT_EQ(machine.written().for_seconds, std::nullopt);
}

// More or fewer steps than before, after 20 were taken.
TEST(Planner, FollowsChangedLimitsAndSaysWhatThatMeans) {
  struct Case {
    const char* limits;
    const char* schedule;
    std::int64_t steps;
    const char* told;
  };
  constexpr const char* kOther = "the learning rate follows the new plan";
  constexpr const char* kSame = "those of a run planned for as many from the start";
  for (const Case& change :
       {Case{"{steps: 20}", "{shape: cosine}", 20, ""},
        Case{"{steps: 30}", "{shape: cosine}", 30, kOther},
        Case{"{steps: 30}", "{shape: constant, warmup_steps: 4}", 30, kSame},
        Case{"{steps: 60}", "{shape: wsd, warmup_steps: 4, decay_fraction: 0}", 60, kSame},
        // 100 s less 1.5 for the end, 95 % of it, at 1 s a step.
        Case{"{max_seconds: 100}", "{shape: cosine}", 20 + 93, kOther}}) {
    TestFolder folder("limits");
    Machine machine(folder.path(), change.limits, change.schedule);
    machine.has_planned(20, std::nullopt);
    machine.counters().step = 20;
    machine.counters().training_seconds = 20;
    ASSERT_TRUE(machine.begin().ok()) << change.limits;
    EXPECT_EQ(machine.planner().steps(), change.steps) << change.limits;
    EXPECT_THAT(machine.told(), HasSubstr(change.told)) << change.schedule;
    EXPECT_EQ(machine.told().empty(), change.steps == 20);
    EXPECT_EQ(machine.written().steps, machine.planner().step_plan());
  }
}

TEST(Planner, RefusesFewerStepsThanWereTaken) {
  TestFolder folder("fewer");
  Machine machine(folder.path(), "{steps: 10}");
  machine.has_planned(20);
  machine.counters().step = 15;
  const Status refused = machine.begin();
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.message(), HasSubstr("limits.steps was 20 and is now 10"));
  EXPECT_THAT(refused.message(), HasSubstr("has taken 15 steps"));
}

}  // namespace
}  // namespace panal::train
