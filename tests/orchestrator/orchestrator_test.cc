// The promises of the orchestrator, with scripted experts and a topic model of a few words.
#include "orchestrator/orchestrator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "base/rng.h"
#include "tests/patience.h"
#include "topics/topic_model.h"

namespace panal::orchestrator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

topics::Topic topic(std::string partition, std::string language, std::vector<std::string> words) {
  topics::Topic result{.partition = std::move(partition),
                       .language = std::move(language),
                       .domain = "",
                       .terms = {}};
  for (std::string& word : words) result.terms.push_back({.word = std::move(word), .weight = 3.5});
  return result;
}

Endpoint hive() {
  Endpoint endpoint;
  endpoint.name = "hive";
  endpoint.core = "smol";
  endpoint.core_version = "1";
  endpoint.experts = {
      {.name = "law", .label = "legal: license", .partition = "en-legal", .version = "3"},
      {.name = "python", .label = "code: def", .partition = "en-code", .version = "4"},
      {.name = "quijote", .label = "fiction: sancho", .partition = "es-fiction", .version = "5"}};
  endpoint.topics = std::make_shared<const topics::TopicModel>(std::vector{
      topic("en-legal", "en",
            {"license", "licence", "copyright", "warranty", "gpl", "clause", "liability"}),
      topic("en-code", "en", {"python", "function", "loop", "class", "print", "import", "tuple"}),
      topic("es-fiction", "es",
            {"sancho", "quijote", "rocinante", "dulcinea", "mancha", "caballero"}),
      topic("en-music", "en", {"violin", "melody", "chord", "sonata", "orchestra", "rhythm"})});
  return endpoint;
}

OrchestratorRequest asking(std::string text) {
  OrchestratorRequest request;
  request.request_id = "r1";
  request.messages = {{"system", "You are kind."}, {"user", std::move(text)}};
  return request;
}

/// Answers "<adapter> says: <prompt>" in pieces of 5 bytes, or what a test wants instead.
class ScriptedCaller final : public ExpertCaller {
 public:
  using Script =
      std::function<Result<ExpertAnswer>(const ExpertCall&, const TextCallback&, std::stop_token)>;

  Script script;
  std::map<std::string, Status> failing;          // By adapter, before any text.
  std::map<std::string, Status> failing_halfway;  // After some text.
  energy::EnergyReading energy{.joules = 2, .method = "measured:nvml", .detail = "gpu"};

  std::function<void()> before_text;  // Between the admission and the answer.

  Result<ExpertAnswer> call(const ExpertCall& call, const CallProgress& progress,
                            std::stop_token cancel) override {
    {
      const std::scoped_lock lock(mutex_);
      calls_.push_back(call);
    }
    if (script) return script(call, progress.on_text, cancel);
    if (before_text) {
      if (progress.on_admitted) progress.on_admitted();
      before_text();
    }
    return answer(call, progress.on_text);
  }
  Result<ExpertAnswer> answer(const ExpertCall& call, const TextCallback& on_text) {
    if (const auto found = failing.find(call.adapter); found != failing.end()) return found->second;
    ExpertAnswer result;
    result.text =
        (call.adapter.empty() ? "core" : call.adapter) + " says: " + call.messages.back().content;
    for (std::size_t i = 0; i < result.text.size(); i += 5) {
      on_text(std::string_view(result.text).substr(i, 5));
      if (i > 10) {
        if (const auto found = failing_halfway.find(call.adapter); found != failing_halfway.end())
          return found->second;
      }
    }
    result.prompt_tokens = 10;
    result.completion_tokens = 20;
    result.time_to_first_token_ms = 3.5;
    result.tokens_per_s = 50;
    result.energy = energy;
    return result;
  }
  std::vector<ExpertCall> calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  std::set<std::string> adapters() const {
    std::set<std::string> names;
    for (const ExpertCall& call : calls()) names.insert(call.adapter);
    return names;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ExpertCall> calls_;  // Guarded by mutex_.
};

class RecordingSink final : public AnswerSink {
 public:
  void on_plan(const std::vector<PlannedPart>& plan) override {
    EXPECT_TRUE(text.empty()) << "the plan comes before any text";
    plans.push_back(plan);
  }
  void on_admitted() override {
    ++num_admissions;
    if (after_admission) after_admission();
  }
  void on_text(std::string_view piece) override {
    text += piece;
    if (after_text) after_text();
  }
  std::vector<std::vector<PlannedPart>> plans;
  std::string text;
  std::function<void()> after_text;
  std::function<void()> after_admission;
  int num_admissions = 0;
};

struct Fixture {
  ManualClock clock;
  Orchestrator orchestrator{{}, clock};
  Endpoint endpoint = hive();
  ScriptedCaller caller;
  RecordingSink sink;
  Result<Answer> answer(const OrchestratorRequest& request, std::stop_token cancel = {}) {
    return orchestrator.answer(request, endpoint, caller, sink, cancel);
  }
  std::string routed(const std::string& text) {
    return orchestrator.plan(asking(text), endpoint)->front().expert;
  }
};

TEST(Routing, SendsAQuestionToTheExpertItsWordsSpeakFor) {
  Fixture f;
  EXPECT_EQ(f.routed("What does the GPL license say about warranty?"), "law");
  EXPECT_EQ(f.routed("Write a python function with a loop"), "python");
  EXPECT_EQ(f.routed("¿Quién era Sancho, el escudero de don Quijote?"), "quijote");
  EXPECT_EQ(f.routed("What is the capital of France?"), "core");
  EXPECT_EQ(f.routed(""), "core");
}

TEST(Routing, SaysWhyAndWhatElseItWeighed) {
  Fixture f;
  const PlannedPart part =
      f.orchestrator.plan(asking("Which license clause limits liability?"), f.endpoint)->front();
  EXPECT_EQ(part.expert, "law");
  EXPECT_GE(part.confidence, 0.5);
  EXPECT_THAT(part.why, HasSubstr("legal: license"));
  EXPECT_THAT(part.why, HasSubstr("liability"));
  ASSERT_FALSE(part.alternatives.empty());
  for (const RouteScore& other : part.alternatives) EXPECT_LE(other.score, part.confidence);
}

TEST(Routing, ATopicWithoutAnExpertStaysWithTheCoreAndIsNamed) {
  Fixture f;
  const PlannedPart part =
      f.orchestrator.plan(asking("Which chord and melody suit a violin sonata?"), f.endpoint)
          ->front();
  EXPECT_EQ(part.expert, "core");
  EXPECT_THAT(part.why, HasSubstr("en-music"));
}

TEST(Routing, TheCallersWordIsLaw) {
  Fixture f;
  OrchestratorRequest request = asking("Explain the GPL license. Also write a python loop.");
  request.expert = "quijote";
  const auto plan = f.orchestrator.plan(request, f.endpoint).value();
  ASSERT_EQ(plan.size(), 1u) << "and nothing is split";
  EXPECT_EQ(plan[0].expert, "quijote");
  EXPECT_EQ(plan[0].prompt, request.messages.back().content);
  request.expert = "core";
  EXPECT_EQ(f.orchestrator.plan(request, f.endpoint)->front().expert, "core");
  request.expert = "smol";
  EXPECT_EQ(f.orchestrator.plan(request, f.endpoint)->front().expert, "core");
  request.expert = "cooking";
  const auto unknown = f.orchestrator.plan(request, f.endpoint);
  EXPECT_EQ(unknown.code(), Code::kNotFound);
  EXPECT_THAT(unknown.status().message(), HasSubstr("core, law, python, quijote"));
}

TEST(Routing, AShortFollowUpIsReadWithTheQuestionBeforeIt) {
  Fixture f;
  OrchestratorRequest request = asking("And in Europe?");
  request.messages.insert(
      request.messages.begin() + 1,
      {{"user", "Explain copyright and the license clause"}, {"assistant", "It is..."}});
  const PlannedPart part = f.orchestrator.plan(request, f.endpoint)->front();
  EXPECT_EQ(part.expert, "law");
  EXPECT_THAT(part.why, HasSubstr("with the question before it"));
}

TEST(Routing, WithoutExpertsOrTopicsTheCoreAnswersEverythingWhole) {
  Fixture f;
  f.endpoint.experts.clear();
  const std::string text = "Explain the GPL license. Also write a python loop.";
  const auto plan = f.orchestrator.plan(asking(text), f.endpoint).value();
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].why, "the endpoint has no experts");
  f.endpoint = hive();
  f.endpoint.topics = nullptr;
  EXPECT_EQ(f.orchestrator.plan(asking(text), f.endpoint)->front().why,
            "the endpoint has no topic model");
}

TEST(Routing, PartsForOnePlaceStayInOnePiece) {
  Fixture f;
  const std::string text = "1. What is a license clause?\n2. Define copyright warranty";
  const auto plan = f.orchestrator.plan(asking(text), f.endpoint).value();
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].expert, "law");
  EXPECT_EQ(plan[0].prompt, text);
}

TEST(Planning, ARequestMustEndWithTheUser) {
  Fixture f;
  OrchestratorRequest request = asking("hi");
  request.messages.push_back({"assistant", "hello"});
  EXPECT_EQ(f.orchestrator.plan(request, f.endpoint).code(), Code::kInvalidArgument);
  request.messages.clear();
  EXPECT_EQ(f.answer(request).code(), Code::kInvalidArgument);
  EXPECT_TRUE(f.caller.calls().empty());
}

TEST(Answering, OneTaskIsPassedOnAsItIsAndStreamed) {
  Fixture f;
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->text, "law says: Explain the GPL license warranty");
  EXPECT_EQ(f.sink.text, answer->text);
  ASSERT_EQ(f.caller.calls().size(), 1u);
  EXPECT_EQ(f.caller.calls()[0].messages.front().content, "You are kind.")
      << "the context reaches the expert";
  ASSERT_EQ(answer->trace.parts.size(), 1u);
  EXPECT_EQ(answer->trace.parts[0].answered_by, "law");
  EXPECT_EQ(answer->trace.parts[0].model_version, "3");
}

TEST(Answering, TwoTasksGoToTwoExpertsAndComeBackInOrder) {
  Fixture f;
  const auto answer = f.answer(
      asking("Explain the GPL license warranty. Also write a python function with a loop."));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(
      answer->text,
      "**1. Explain the GPL license warranty.**\n\nlaw says: Explain the GPL license warranty.\n\n"
      "**2. write a python function with a loop.**\n\npython says: write a python function with a "
      "loop.");
  EXPECT_EQ(f.sink.text, answer->text);
  EXPECT_EQ(f.sink.plans.size(), 1u);
  EXPECT_EQ(f.sink.plans[0].size(), 2u);
  EXPECT_EQ(answer->completion_tokens, 40);
  for (const ExpertCall& call : f.caller.calls())
    EXPECT_EQ(call.messages.front().content, "You are kind.");
}

// A long prompt is read before the first word comes: who asks learns meanwhile that it is.
TEST(Answering, SaysThatSomebodyWorksOnItBeforeTheFirstText) {
  Fixture f;
  std::promise<void> go_on;
  f.sink.after_admission = [&] {
    EXPECT_EQ(f.sink.text, "");
    go_on.set_value();
  };
  f.caller.before_text = [&] {
    EXPECT_EQ(go_on.get_future().wait_for(kPatience), std::future_status::ready);
  };
  ASSERT_TRUE(f.answer(asking("Explain the GPL license warranty")).ok());
  EXPECT_EQ(f.sink.num_admissions, 1);
}

TEST(Answering, SaysNothingOfTheKindWhenTheRequestIsRefused) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kInvalidArgument, "too long for the context");
  EXPECT_EQ(f.answer(asking("Explain the GPL license warranty")).code(), Code::kInvalidArgument);
  EXPECT_EQ(f.sink.num_admissions, 0);
  EXPECT_EQ(f.sink.text, "");
}

const char* const kFourTasks =
    "1. Explain the GPL license warranty\n2. Write a python function with a loop\n"
    "3. Describe Sancho, Rocinante y don Quijote de la Mancha\n4. What is the capital of France?";

TEST(Answering, OrderHoldsWhateverPartIsDoneFirst) {
  Fixture reference;
  const std::string wanted = reference.answer(asking(kFourTasks))->text;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    Fixture f;
    Rng rng(seed);
    // A random order in which the four calls may finish, each waiting for the one before it.
    std::vector<std::string> order = {"law", "python", "quijote", ""};
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t num_done = 0;
    f.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return order[num_done] == call.adapter; });
      }
      auto result = f.caller.answer(call, on_text);
      const std::scoped_lock lock(mutex);
      ++num_done;
      changed.notify_all();
      return result;
    };
    const auto answer = f.answer(asking(kFourTasks));
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->text, wanted) << "seed " << seed;
    EXPECT_EQ(f.sink.text, wanted) << "seed " << seed;
  }
}

TEST(Answering, ParallelCallsAreBounded) {
  ManualClock clock;
  const Orchestrator orchestrator({.max_parallel_calls = 2}, clock);
  ScriptedCaller caller;
  RecordingSink sink;
  std::atomic<int> active{0};
  std::atomic<int> most{0};
  caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    most = std::max(most.load(), ++active);
    auto result = caller.answer(call, on_text);
    --active;
    return result;
  };
  ASSERT_TRUE(orchestrator.answer(asking(kFourTasks), hive(), caller, sink, {}).ok());
  EXPECT_LE(most, 2);
}

TEST(Answering, AFullBufferMakesTheExpertWaitAndLosesNothing) {
  ManualClock clock;
  const Orchestrator orchestrator({.max_buffered_bytes = 16}, clock);
  ScriptedCaller caller;
  RecordingSink sink;
  const std::string long_text(4000, 'x');
  caller.script = [&](const ExpertCall&, const TextCallback& on_text, std::stop_token) {
    for (std::size_t i = 0; i < long_text.size(); i += 10)
      on_text(std::string_view(long_text).substr(i, 10));
    ExpertAnswer answer;
    answer.text = long_text;
    return Result<ExpertAnswer>(answer);
  };
  const auto answer = orchestrator.answer(asking(kFourTasks), hive(), caller, sink, {});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(std::ranges::count(answer->text, 'x'), 4 * 4000 + 1) << "one x is in a heading";
}

TEST(Failures, TheCoreTakesOverOnceAndTheTraceSaysSo) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->text, "core says: Explain the GPL license warranty");
  const PartTrace& part = answer->trace.parts[0];
  EXPECT_EQ(part.plan.expert, "law");
  EXPECT_EQ(part.answered_by, "core");
  EXPECT_EQ(part.model_version, "1");
  EXPECT_THAT(part.fallback, HasSubstr("law is gone"));
  EXPECT_FALSE(answer->trace.energy.joules.has_value()) << "what the failed call used is not known";
}

TEST(Failures, AnExceptionOfACallerIsAFailureLikeAnyOther) {
  Fixture f;
  f.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    if (call.adapter == "law") throw std::runtime_error("socket closed");
    return f.caller.answer(call, on_text);
  };
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok());
  EXPECT_THAT(answer->trace.parts[0].fallback, HasSubstr("socket closed"));
}

TEST(Failures, WhenNobodyCanAnswerTheFirstReasonIsGiven) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  f.caller.failing[""] = Status(Code::kResourceExhausted, "the queue is full");
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  EXPECT_EQ(answer.code(), Code::kResourceExhausted);
  EXPECT_EQ(f.caller.calls().size(), 2u) << "one fallback, no more";
  EXPECT_EQ(f.sink.text, "");
}

TEST(Failures, ABadRequestIsNotTriedAgain) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kInvalidArgument, "the prompt is too long");
  EXPECT_EQ(f.answer(asking("Explain the GPL license warranty")).code(), Code::kInvalidArgument);
  EXPECT_EQ(f.caller.calls().size(), 1u);
}

TEST(Failures, APartThatFailsIsSaidSoAndTheOthersStand) {
  Fixture f;
  f.caller.failing["python"] = Status(Code::kInvalidArgument, "no");
  const auto answer = f.answer(
      asking("Explain the GPL license warranty. Also write a python function with a loop."));
  ASSERT_TRUE(answer.ok());
  EXPECT_THAT(answer->text, HasSubstr("law says: Explain"));
  EXPECT_THAT(answer->text, HasSubstr("[This part could not be answered: no]"));
  EXPECT_EQ(answer->trace.parts[1].error, "no");
  EXPECT_FALSE(to_json(answer->trace)["totals"]["joules"].is_number());
}

TEST(Failures, TextThatWasStreamedIsNeverTakenBack) {
  Fixture f;
  f.caller.failing_halfway["law"] = Status(Code::kUnavailable, "the line dropped");
  bool has_read = false;
  std::mutex mutex;
  std::condition_variable changed;
  f.sink.after_text = [&] {
    const std::scoped_lock lock(mutex);
    has_read = true;
    changed.notify_all();
  };
  f.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    // The failure comes surely after the client saw the beginning.
    return f.caller.answer(call, [&](std::string_view text) {
      on_text(text);
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return has_read; });
    });
  };
  EXPECT_EQ(f.answer(asking("Explain the GPL license warranty")).code(), Code::kUnavailable);
  EXPECT_TRUE(f.sink.text.starts_with("law s"));
  EXPECT_EQ(f.caller.adapters(), std::set<std::string>{"law"});
}

TEST(Cancelling, EndsEveryPartAndTheAnswer) {
  Fixture f;
  std::stop_source cancel;
  f.caller.script = [&](const ExpertCall&, const TextCallback& on_text, std::stop_token stop) {
    // An expert that talks until it is told to stop.
    while (!stop.stop_requested()) on_text("word ");
    return Result<ExpertAnswer>(Status(Code::kCancelled, "stopped"));
  };
  f.sink.after_text = [&] {
    if (f.sink.text.size() > 100) cancel.request_stop();
  };
  EXPECT_EQ(f.answer(asking(kFourTasks), cancel.get_token()).code(), Code::kCancelled);
}

TEST(Cancelling, BeforeTheStartCallsNobody) {
  Fixture f;
  std::stop_source cancel;
  cancel.request_stop();
  EXPECT_EQ(f.answer(asking("hello"), cancel.get_token()).code(), Code::kCancelled);
  EXPECT_TRUE(f.caller.calls().empty());
}

TEST(Panel, CoreAndTheTwoBestAnswerAndOneIsChosen) {
  Fixture f;
  OrchestratorRequest request = asking("Explain the license of a python function");
  request.panel = true;
  f.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    auto result = f.caller.answer(call, on_text);
    result->text =
        call.adapter.empty() ? "honey is sweet today" : "the license covers use of " + call.adapter;
    return result;
  };
  const auto answer = f.answer(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(f.caller.adapters(), (std::set<std::string>{"", "law", "python"}));
  EXPECT_THAT(answer->text, HasSubstr("the license covers use of"));
  EXPECT_EQ(f.sink.text, answer->text);
  EXPECT_EQ(answer->trace.parts[0].panel.size(), 3u);
  EXPECT_DOUBLE_EQ(answer->trace.energy.joules.value(), 6) << "the losers' energy counts, too";
}

TEST(Panel, SurvivesAFailedCandidate) {
  Fixture f;
  OrchestratorRequest request = asking("Explain the GPL license warranty");
  request.panel = true;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  const auto answer = f.answer(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_NE(answer->trace.parts[0].answered_by, "law");
  EXPECT_THAT(to_json(answer->trace)["parts"][0]["panel"].dump(), HasSubstr("law is gone"));
  f.sink.text.clear();
  f.caller.failing["python"] = f.caller.failing["quijote"] = f.caller.failing[""] =
      f.caller.failing["law"];
  EXPECT_EQ(f.answer(request).code(), Code::kUnavailable);
}

TEST(Tracing, UnknownNumbersAreNullAndMethodsAreHonest) {
  Fixture f;
  f.caller.energy = {};
  OrchestratorRequest request = asking("Explain the GPL license warranty");
  request.carbon.zone = "PY";
  const Json unknown = to_json(f.answer(request)->trace);
  EXPECT_TRUE(unknown["parts"][0]["energy"]["joules"].is_null());
  EXPECT_TRUE(unknown["totals"]["joules"].is_null());
  EXPECT_EQ(unknown["totals"]["method"], "unknown");
  EXPECT_TRUE(unknown["totals"]["gco2"].is_null());

  Fixture g;
  g.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    auto result = g.caller.answer(call, on_text);
    if (call.adapter == "python")
      result->energy = {.joules = 3, .method = "estimated:cpu-time", .detail = "cpu"};
    return result;
  };
  request = asking("Explain the GPL license warranty. Also write a python function with a loop.");
  request.carbon = {.zone = "PY", .pue = 1};
  const Json mixed = to_json(g.answer(request)->trace);
  EXPECT_DOUBLE_EQ(mixed["totals"]["joules"], 5);
  EXPECT_EQ(mixed["totals"]["method"], "estimated:nvml+cpu-time");
  EXPECT_NEAR(mixed["totals"]["gco2"].get<double>(), 5 / 3.6e6 * 23.8, 1e-12);
}

TEST(Tracing, TimesComeFromTheClock) {
  Fixture f;
  f.caller.script = [&](const ExpertCall& call, const TextCallback& on_text, std::stop_token) {
    f.clock.advance(std::chrono::milliseconds(100));
    return f.caller.answer(call, on_text);
  };
  const Trace trace = f.answer(asking("Explain the GPL license warranty"))->trace;
  EXPECT_DOUBLE_EQ(trace.wall_ms, 100);
  EXPECT_DOUBLE_EQ(trace.overhead_ms, 0);
  EXPECT_DOUBLE_EQ(trace.tokens_per_s.value(), 200);
  const Json json = to_json(trace);
  EXPECT_EQ(json["request_id"], "r1");
  EXPECT_EQ(json["endpoint"], "hive");
  EXPECT_EQ(json["parts"][0]["ttft_ms"], 3.5);
  EXPECT_TRUE(json["parts"][0]["fallback"].is_null());
}

}  // namespace
}  // namespace panal::orchestrator
