// A hive of a test's own: a temporary home, a clock that stands still, and jobs that do what the
// test says instead of starting panal-engine.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hub/hive.h"
#include "tests/store/temporary_folder.h"
#include "work/benchmark_jobs.h"
#include "work/check_jobs.h"
#include "work/evaluation_jobs.h"
#include "work/generation.h"
#include "work/training.h"

namespace panal::hub {

/// Answers each kind of job by a function of the test; a kind nobody scripted fails.
class ScriptedRunner final : public JobRunner {
 public:
  using Script =
      std::function<Result<Json>(const fleet::EngineJob& job, const fleet::EngineEvent& on_event)>;

  Result<Json> run(const fleet::EngineJob& job, const fleet::EngineEvent& on_event,
                   std::stop_token stop) override {
    jobs.push_back(job);
    if (const auto waits = stoppable.find(job.kind); waits != stoppable.end())
      return waits->second(stop);
    const auto found = scripts.find(job.kind);
    if (found == scripts.end()) return Status(Code::kInternal, "no script for " + job.kind);
    return found->second(job, on_event);
  }
  /// Every job of this kind ends with this outcome.
  template <work::Job Job>
  void answers(const typename Job::Outcome& outcome) {
    scripts[Job::kKind] = [outcome](const auto&, const auto&) { return work::encode(outcome); };
  }
  /// Every job of this kind fails.
  template <work::Job Job>
  void fails(const Status& status) {
    scripts[Job::kKind] = [status](const auto&, const auto&) -> Result<Json> { return status; };
  }

  std::map<std::string, Script> scripts;
  /// Jobs that look at their stop request.
  std::map<std::string, std::function<Result<Json>(std::stop_token)>> stoppable;
  std::vector<fleet::EngineJob> jobs;  // As they came.
};

class HiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto home = store::open_home(store::posix_file_system(), folder / "home");
    ASSERT_TRUE(home.ok()) << home.status().message();
    auto opened = Hive::open(*home, clock, runner);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    hive = std::move(opened).value();
    runner.answers<work::CheckModelJob>(model_facts());
  }

  registry::Catalogue& catalogue() { return hive->catalogue(); }
  std::vector<registry::ModelVersion> models() { return catalogue().list_models().value(); }
  std::vector<registry::Job> jobs() { return catalogue().list_jobs().value(); }

  /// Of a model with 812 parameters.
  static work::ModelFacts model_facts() {
    return {.architecture = "llama",
            .parameters = 812,
            .layers = 1,
            .width = 8,
            .heads = 2,
            .key_value_heads = 1,
            .feed_forward_width = 16,
            .vocabulary_size = 32,
            .context_length = 64,
            .tokenizer_size = 32};
  }
  /// A file that looks like a model; `content` makes it differ from others.
  std::filesystem::path model_file(const std::string& content = "weights") {
    return test::write_plain(folder / (content + ".gguf"), content);
  }
  /// A base model as an import leaves it: its checks passed, preferred.
  registry::ModelVersion add_core(const std::string& name, const std::string& content = "weights") {
    registry::NewModel made{.name = name, .files = {{"model.gguf", model_file(content)}}};
    const auto added = catalogue().add_model(made).value();
    EXPECT_TRUE(catalogue()
                    .record_evaluation(added.id, {.check = "loads", .metric = "ok", .passed = true})
                    .ok());
    EXPECT_TRUE(catalogue().move_model(added.id, registry::Lifecycle::kReady, "test").ok());
    return catalogue().move_model(added.id, registry::Lifecycle::kPreferred, "test").value();
  }
  registry::ModelVersion add_expert(const std::string& name, const registry::ModelVersion& core,
                                    Json details = Json::object()) {
    const auto weights = test::write_plain(folder / "adapter-source", "adapter " + name);
    registry::NewModel made{.kind = registry::ModelKind::kAdapter,
                            .name = name,
                            .files = {{"adapter_model.safetensors", weights}}};
    made.lineage.parent = core.label();
    made.lineage.details = std::move(details);
    return catalogue().add_model(made).value();
  }
  /// Listens to everything.
  Watch watch() {
    return {.on_event = [this](const Event& event) { events.push_back(event); }};
  }

  test::TemporaryFolder folder;
  ManualClock clock;
  ScriptedRunner runner;
  std::unique_ptr<Hive> hive;
  std::vector<Event> events;
};

}  // namespace panal::hub
