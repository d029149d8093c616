// Questions to a hive of scripted processes: which name answers, what is read, who is ready.
#include "hub/answering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/patience.h"
#include "tests/registry/catalogue_fixture.h"

namespace panal::hub {
namespace {

using registry::NewDeployment;
using testing::ElementsAre;
using testing::HasSubstr;

using Outcome = Result<AnswerSummary>;

class Listener final : public AnswerSink {
 public:
  void route(std::string_view name) override { routed = name; }
  bool text(std::string_view piece) override {
    said += piece;
    return true;
  }
  void done(Outcome outcome) override { end.set_value(std::move(outcome)); }
  std::string routed, said;
  std::promise<Outcome> end;
};

/// Says who it is: the endpoint and the expert that was asked.
class NamingServer final : public fleet::ModelServer {
 public:
  explicit NamingServer(std::string name) : name_(std::move(name)) {}
  void generate(const work::Generation& request, Callbacks callbacks, std::stop_token) override {
    const std::string text = name_ + "/" + request.expert;
    callbacks.on_text(text);
    callbacks.on_done(work::GenerationResult{.text = text, .completion_tokens = 1});
  }
  bool is_lost(std::chrono::milliseconds) override { return false; }

 private:
  const std::string name_;
};

class AnsweringTest : public registry::CatalogueTest {
 protected:
  void SetUp() override {
    registry::CatalogueTest::SetUp();
    // The catalogue's files are stamped by the machine's clock: this is long after.
    clock.advance(std::chrono::hours(24 * 365 * 50));
  }
  void deploy(const std::string& endpoint, const std::string& core,
              const std::vector<std::string>& experts = {}) {
    NewDeployment made{.name = endpoint, .core = core};
    for (const std::string& expert : experts)
      made.experts.push_back({.model = expert, .label = expert});
    ASSERT_TRUE(catalogue->put_deployment(made).ok());
  }
  void begin() {
    auto made = std::make_unique<Endpoints>(*catalogue, clock);
    endpoints = made.get();
    answering = std::make_unique<Answering>(
        std::move(made),
        Answering::Options{.start_server = [this](const fleet::ServerSpec& spec)
                               -> Result<std::unique_ptr<fleet::ModelServer>> {
                             ++num_starts;
                             if (!start_status.ok()) return start_status;
                             return std::unique_ptr<fleet::ModelServer>(
                                 std::make_unique<NamingServer>(spec.name));
                           },
                           .run_folder = folder / "run"},
        clock);
  }
  /// What is said to a question for `model`, or why nothing is.
  std::string ask(const std::string& model, const std::string& expert = "") {
    const auto listener = std::make_shared<Listener>();
    answering->answer(
        {.model = model, .expert = expert, .input = work::Conversation{{"user", "hello"}}},
        listener, {});
    const Outcome outcome = listener->end.get_future().get();
    return outcome.ok() ? listener->said : outcome.status().message();
  }
  std::vector<std::string> listed() {
    std::vector<std::string> names;
    for (const ModelEntry& entry : answering->models()) names.push_back(entry.id);
    return names;
  }

  std::atomic<int> num_starts = 0;
  Status start_status;
  Endpoints* endpoints = nullptr;  // The answering's.
  std::unique_ptr<Answering> answering;
};

TEST_F(AnsweringTest, EveryListedNameAnswersAsItIsListed) {
  add("smol");
  add("other");
  add_adapter("smol/legal", "smol@1");
  deploy("hive", "smol", {"smol/legal"});
  deploy("second", "other");
  begin();
  EXPECT_THAT(listed(), ElementsAre("auto", "hive", "second", "smol", "smol/legal", "other"));
  EXPECT_EQ(ask(""), "hive/core");
  EXPECT_EQ(ask("auto"), "hive/core");
  EXPECT_EQ(ask("hive"), "hive/core");
  EXPECT_EQ(ask("hive", "smol/legal"), "hive/smol/legal");
  EXPECT_EQ(ask("smol"), "hive/core");
  EXPECT_EQ(ask("smol/legal"), "hive/smol/legal");
  EXPECT_EQ(ask("other"), "second/core");
  EXPECT_THAT(ask("wasp"), HasSubstr("\"wasp\" does not exist; known: auto, hive"));
  EXPECT_THAT(ask("hive", "poetry"), HasSubstr("no expert \"poetry\""));
  EXPECT_EQ(num_starts, 2);
}

// A request reads the database only when something was written since the last one.
TEST_F(AnsweringTest, ReadsTheCatalogueOnlyWhenItChanged) {
  add("smol");
  deploy("hive", "smol");
  begin();
  for (int i = 0; i < 5; ++i) ask("hive");
  EXPECT_EQ(endpoints->num_reads(), 1);
  deploy("second", "smol");
  EXPECT_EQ(ask("second"), "second/core");
  EXPECT_EQ(endpoints->num_reads(), 2);
  ask("hive");
  listed();
  EXPECT_EQ(endpoints->num_reads(), 2);
}

TEST_F(AnsweringTest, AReplacedEndpointGetsANewProcess) {
  add("smol");
  add("other");
  deploy("hive", "smol");
  begin();
  ask("hive");
  ask("hive");
  EXPECT_EQ(num_starts, 1);
  deploy("hive", "other");
  ask("hive");
  EXPECT_EQ(num_starts, 2);
}

TEST_F(AnsweringTest, PlainPromptsGoToTheModelTheyName) {
  add("smol");
  add_adapter("smol/legal", "smol@1");
  deploy("hive", "smol", {"smol/legal"});
  begin();
  const auto listener = std::make_shared<Listener>();
  answering->answer({.request_id = "r1", .model = "smol/legal", .input = std::string("Once")},
                    listener, {});
  const Outcome outcome = listener->end.get_future().get();
  ASSERT_TRUE(outcome.ok()) << outcome.status().message();
  EXPECT_EQ(listener->said, "hive/smol/legal");
  EXPECT_EQ(listener->routed, "smol/legal");
  EXPECT_EQ(outcome->trace.parts.at(0).expert, "smol/legal");
  EXPECT_FALSE(outcome->trace.totals.energy.joules.has_value());
}

// Ready is who has given a real token, not who was started.
TEST_F(AnsweringTest, IsReadyOnceAProcessHasAnswered) {
  begin();
  EXPECT_THAT(answering->ready().message(), HasSubstr("nothing is deployed yet"));
  EXPECT_EQ(answering->prove().code(), Code::kNotFound);
  add("smol");
  deploy("hive", "smol");
  start_status = Status(Code::kCorrupt, "model.gguf: torn");
  const Status failed = answering->prove();
  EXPECT_EQ(failed.code(), Code::kUnavailable);
  EXPECT_THAT(failed.message(), HasSubstr("hive cannot be served: model.gguf: torn"));
  EXPECT_THAT(answering->ready().message(), HasSubstr("torn"));
  EXPECT_THAT(ask("hive"), HasSubstr("torn"));
  start_status = Status();
  EXPECT_TRUE(answering->prove().ok());
  EXPECT_TRUE(answering->ready().ok());
  // Another version is another process, which has to show that it works. Asking starts that.
  add("other");
  deploy("hive", "other");
  EXPECT_FALSE(answering->ready().ok());
  EXPECT_TRUE(eventually([&] { return answering->ready().ok(); }));
}

}  // namespace
}  // namespace panal::hub
