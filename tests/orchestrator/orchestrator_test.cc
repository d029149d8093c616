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
#include <thread>

#include "base/error.h"
#include "base/rng.h"
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

work::Generation asking(std::string text) {
  return {.request_id = "r1",
          .input = work::Conversation{{"system", "You are kind."}, {"user", std::move(text)}}};
}
work::Conversation& messages_of(work::Generation& request) {
  return std::get<work::Conversation>(request.input);
}
std::string question_of(const work::Generation& request) {
  return std::get<work::Conversation>(request.input).back().content;
}

using Outcome = Result<work::GenerationResult>;
using OnText = std::function<void(std::string_view)>;

/// Answers "<expert> says: <prompt>" in pieces of 5 bytes, or what a test wants instead, on a
/// thread of its own, as answers come from elsewhere.
class ScriptedCaller final : public ExpertCaller {
 public:
  using Script = std::function<Outcome(const work::Generation&, const OnText&, std::stop_token)>;

  Script script;
  std::map<std::string, Status> failing;          // By expert, before any text.
  std::map<std::string, Status> failing_halfway;  // After some text.
  work::EnergyReading energy{.joules = 2, .method = "measured:nvml", .detail = "gpu"};

  void start(work::Generation request, Callbacks callbacks, std::stop_token cancel) override {
    const std::scoped_lock lock(mutex_);
    calls_.push_back(request);
    threads_.emplace_back([this, request, callbacks, cancel] {
      callbacks.on_admitted();
      callbacks.on_done(capture([&] {
        return script ? script(request, callbacks.on_text, cancel)
                      : answer(request, callbacks.on_text);
      }));
    });
  }
  Outcome answer(const work::Generation& request, const OnText& on_text) {
    if (const auto found = failing.find(request.expert); found != failing.end())
      return found->second;
    work::GenerationResult result;
    result.text = request.expert + " says: " + question_of(request);
    for (std::size_t i = 0; i < result.text.size(); i += 5) {
      on_text(std::string_view(result.text).substr(i, 5));
      if (i > 10) {
        if (const auto found = failing_halfway.find(request.expert); found != failing_halfway.end())
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
  /// Waits until nothing is said any more. An answer's last holder may be such a thread.
  void join() {
    std::vector<std::jthread> threads;
    const std::scoped_lock lock(mutex_);
    threads.swap(threads_);
  }
  std::vector<work::Generation> calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  std::set<std::string> experts() const {
    std::set<std::string> names;
    for (const work::Generation& call : calls()) names.insert(call.expert);
    return names;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<work::Generation> calls_;  // Guarded by mutex_, as threads_.
  std::vector<std::jthread> threads_;
};

class RecordingSink final : public AnswerSink {
 public:
  void on_plan(const std::vector<PlannedPart>& plan) override {
    EXPECT_TRUE(text.empty()) << "the plan comes before any text";
    plans.push_back(plan);
  }
  void on_admitted() override { ++num_admitted; }
  bool on_text(std::string_view piece) override {
    text += piece;
    if (after_text) after_text();
    return is_listening;
  }
  void on_done(Result<Answer> answer) override { done.set_value(std::move(answer)); }

  std::vector<std::vector<PlannedPart>> plans;
  std::string text;
  std::function<void()> after_text;
  std::atomic<bool> is_listening = true;
  std::atomic<int> num_admitted = 0;
  std::promise<Result<Answer>> done;
};

/// Asks and waits.
Result<Answer> ask(const Orchestrator& orchestrator, const work::Generation& request,
                   const Endpoint& endpoint, const std::shared_ptr<ScriptedCaller>& caller,
                   const std::shared_ptr<RecordingSink>& sink, std::stop_token cancel = {}) {
  sink->done = {};
  auto done = sink->done.get_future();
  orchestrator.answer(request, std::make_shared<const Endpoint>(endpoint), caller, sink, cancel);
  return done.get();
}

struct Fixture {
  ~Fixture() { shared_caller->join(); }
  ManualClock clock;
  OrchestratorOptions options;
  Endpoint endpoint = hive();
  // Shared with the answers in progress.
  std::shared_ptr<ScriptedCaller> shared_caller = std::make_shared<ScriptedCaller>();
  std::shared_ptr<RecordingSink> shared_sink = std::make_shared<RecordingSink>();
  ScriptedCaller& caller = *shared_caller;
  RecordingSink& sink = *shared_sink;

  Orchestrator orchestrator() { return Orchestrator(options, clock); }
  Result<Answer> answer(const work::Generation& request, std::stop_token cancel = {}) {
    return ask(orchestrator(), request, endpoint, shared_caller, shared_sink, cancel);
  }
  Result<std::vector<PlannedPart>> plan(const work::Generation& request) {
    return orchestrator().plan(request, endpoint);
  }
  std::string routed(const std::string& text) { return plan(asking(text))->front().expert; }
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
  const PlannedPart part = f.plan(asking("Which license clause limits liability?"))->front();
  EXPECT_EQ(part.expert, "law");
  EXPECT_GE(part.confidence, 0.5);
  EXPECT_THAT(part.why, HasSubstr("legal: license"));
  EXPECT_THAT(part.why, HasSubstr("liability"));
  ASSERT_FALSE(part.alternatives.empty());
  for (const work::RouteScore& other : part.alternatives) EXPECT_LE(other.score, part.confidence);
}

TEST(Routing, ATopicWithoutAnExpertStaysWithTheCoreAndIsNamed) {
  Fixture f;
  const PlannedPart part = f.plan(asking("Which chord and melody suit a violin sonata?"))->front();
  EXPECT_EQ(part.expert, "core");
  EXPECT_THAT(part.why, HasSubstr("en-music"));
}

TEST(Routing, TheCallersWordIsLaw) {
  Fixture f;
  work::Generation request = asking("Explain the GPL license. Also write a python loop.");
  request.expert = "quijote";
  const auto plan = f.plan(request).value();
  ASSERT_EQ(plan.size(), 1u) << "and nothing is split";
  EXPECT_EQ(plan[0].expert, "quijote");
  EXPECT_EQ(plan[0].prompt, question_of(request));
  request.expert = "core";
  EXPECT_EQ(f.plan(request)->front().expert, "core");
  request.expert = "smol";
  EXPECT_EQ(f.plan(request)->front().expert, "core");
  request.expert = "cooking";
  const auto unknown = f.plan(request);
  EXPECT_EQ(unknown.code(), Code::kNotFound);
  EXPECT_THAT(unknown.status().message(), HasSubstr("core, law, python, quijote"));
}

TEST(Routing, AShortFollowUpIsReadWithTheQuestionBeforeIt) {
  Fixture f;
  work::Generation request = asking("And in Europe?");
  messages_of(request).insert(
      messages_of(request).begin() + 1,
      {{"user", "Explain copyright and the license clause"}, {"assistant", "It is..."}});
  const PlannedPart part = f.plan(request)->front();
  EXPECT_EQ(part.expert, "law");
  EXPECT_THAT(part.why, HasSubstr("with the question before it"));
}

TEST(Routing, WithoutExpertsOrTopicsTheCoreAnswersEverythingWhole) {
  Fixture f;
  f.endpoint.experts.clear();
  const std::string text = "Explain the GPL license. Also write a python loop.";
  const auto plan = f.plan(asking(text)).value();
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].why, "the endpoint has no experts");
  f.endpoint = hive();
  f.endpoint.topics = nullptr;
  EXPECT_EQ(f.plan(asking(text))->front().why, "the endpoint has no topic model");
}

TEST(Routing, PartsForOnePlaceStayInOnePiece) {
  Fixture f;
  const std::string text = "1. What is a license clause?\n2. Define copyright warranty";
  const auto plan = f.plan(asking(text)).value();
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].expert, "law");
  EXPECT_EQ(plan[0].prompt, text);
}

// What does not end with a question is continued whole, by whoever the last question was for.
TEST(Planning, AConversationThatEndsWithTheAssistantIsContinued) {
  Fixture f;
  work::Generation request = asking("Explain the GPL license warranty. Also write a python loop.");
  messages_of(request).push_back({"assistant", "The GPL"});
  const auto plan = f.plan(request).value();
  ASSERT_EQ(plan.size(), 1u);
  ASSERT_TRUE(f.answer(request).ok());
  const auto sent = std::get<work::Conversation>(f.caller.calls().at(0).input);
  EXPECT_EQ(sent, messages_of(request)) << "nothing is put in the place of the last message";
  messages_of(request).clear();
  EXPECT_EQ(f.plan(request)->front().expert, "core");
  request.input = std::string("plain");
  EXPECT_EQ(f.plan(request).code(), Code::kInvalidArgument);
}

TEST(Answering, OneTaskIsPassedOnAsItIsAndStreamed) {
  Fixture f;
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->text, "law says: Explain the GPL license warranty");
  EXPECT_EQ(f.sink.text, answer->text);
  ASSERT_EQ(f.caller.calls().size(), 1u);
  EXPECT_EQ(std::get<work::Conversation>(f.caller.calls()[0].input).front().content,
            "You are kind.")
      << "the context reaches the expert";
  ASSERT_EQ(answer->trace.parts.size(), 1u);
  EXPECT_EQ(answer->trace.parts[0].expert, "law");
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
  for (const work::Generation& call : f.caller.calls())
    EXPECT_EQ(std::get<work::Conversation>(call.input).front().content, "You are kind.");
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
    std::vector<std::string> order = {"law", "python", "quijote", "core"};
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t num_done = 0;
    f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return order[num_done] == call.expert; });
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
  Fixture f;
  f.options.max_parallel_calls = 2;
  std::atomic<int> active{0};
  std::atomic<int> most{0};
  f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    most = std::max(most.load(), ++active);
    auto result = f.caller.answer(call, on_text);
    --active;
    return result;
  };
  const auto answer = f.answer(asking(kFourTasks));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->trace.parts.size(), 4u);
  EXPECT_LE(most, 2);
}

// What is done before its turn is kept whole until then.
TEST(Answering, TextBeforeItsTurnIsKept) {
  Fixture f;
  const std::string long_text(4000, 'x');
  f.caller.script = [&](const work::Generation&, const OnText& on_text, std::stop_token) {
    for (std::size_t i = 0; i < long_text.size(); i += 10)
      on_text(std::string_view(long_text).substr(i, 10));
    return Outcome(work::GenerationResult{.text = long_text});
  };
  const auto answer = f.answer(asking(kFourTasks));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(std::ranges::count(answer->text, 'x'), 4 * 4000 + 1) << "one x is in a heading";
  EXPECT_EQ(f.sink.num_admitted, 1);
}

// An answer that waits holds nobody up: a thousand of them are begun on one thread.
TEST(Answering, AnAnswerInProgressCostsNoThread) {
  class SilentCaller final : public ExpertCaller {
   public:
    void start(work::Generation, Callbacks callbacks, std::stop_token) override {
      waiting.push_back(std::move(callbacks));
    }
    std::vector<Callbacks> waiting;
  };
  ManualClock clock;
  const Orchestrator orchestrator({}, clock);
  const auto caller = std::make_shared<SilentCaller>();
  const auto endpoint = std::make_shared<const Endpoint>(hive());
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 1000; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    orchestrator.answer(asking("hello"), endpoint, caller, sinks.back(), {});
  }
  ASSERT_EQ(caller->waiting.size(), 1000u);
  for (const auto& callbacks : caller->waiting) {
    callbacks.on_text("hi");
    callbacks.on_done(work::GenerationResult{.text = "hi"});
  }
  for (const auto& sink : sinks) EXPECT_EQ(sink->done.get_future().get()->text, "hi");
}

TEST(Failures, TheCoreTakesOverOnceAndTheTraceSaysSo) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->text, "core says: Explain the GPL license warranty");
  const work::PartTrace& part = answer->trace.parts[0];
  EXPECT_EQ(part.expert, "core");
  EXPECT_EQ(part.model_version, "1");
  EXPECT_THAT(part.fallback.value(), HasSubstr("law is gone"));
  EXPECT_FALSE(answer->trace.totals.energy.joules.has_value())
      << "what the failed call used is not known";
}

TEST(Failures, AnExceptionOfACallerIsAFailureLikeAnyOther) {
  Fixture f;
  f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    if (call.expert == "law") throw std::runtime_error("socket closed");
    return f.caller.answer(call, on_text);
  };
  const auto answer = f.answer(asking("Explain the GPL license warranty"));
  ASSERT_TRUE(answer.ok());
  EXPECT_THAT(answer->trace.parts[0].fallback.value(), HasSubstr("socket closed"));
}

TEST(Failures, WhenNobodyCanAnswerTheFirstReasonIsGiven) {
  Fixture f;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  f.caller.failing["core"] = Status(Code::kResourceExhausted, "the queue is full");
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
  EXPECT_FALSE(work::to_json(answer->trace)["totals"]["joules"].is_number());
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
  f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    // The failure comes surely after the client saw the beginning.
    return f.caller.answer(call, [&](std::string_view text) {
      on_text(text);
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return has_read; });
    });
  };
  EXPECT_EQ(f.answer(asking("Explain the GPL license warranty")).code(), Code::kUnavailable);
  EXPECT_TRUE(f.sink.text.starts_with("law s"));
  EXPECT_EQ(f.caller.experts(), std::set<std::string>{"law"});
}

TEST(Cancelling, EndsEveryPartAndTheAnswer) {
  Fixture f;
  std::stop_source cancel;
  f.caller.script = [&](const work::Generation&, const OnText& on_text, std::stop_token stop) {
    // An expert that talks until it is told to stop.
    while (!stop.stop_requested()) on_text("word ");
    return Outcome(Status(Code::kCancelled, "stopped"));
  };
  f.sink.after_text = [&] {
    if (f.sink.text.size() > 100) cancel.request_stop();
  };
  EXPECT_EQ(f.answer(asking(kFourTasks), cancel.get_token()).code(), Code::kCancelled);
}

TEST(Cancelling, ASinkThatNoLongerListensEndsTheWork) {
  Fixture f;
  f.caller.script = [&](const work::Generation&, const OnText& on_text, std::stop_token stop) {
    while (!stop.stop_requested()) on_text("word ");
    return Outcome(Status(Code::kCancelled, "stopped"));
  };
  f.sink.is_listening = false;
  EXPECT_EQ(f.answer(asking("hello")).code(), Code::kCancelled);
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
  work::Generation request = asking("Explain the license of a python function");
  request.panel = true;
  f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    auto result = f.caller.answer(call, on_text);
    result->text =
        call.expert == "core" ? "honey is sweet today" : "the license covers use of " + call.expert;
    return result;
  };
  const auto answer = f.answer(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(f.caller.experts(), (std::set<std::string>{"core", "law", "python"}));
  EXPECT_THAT(answer->text, HasSubstr("the license covers use of"));
  EXPECT_EQ(f.sink.text, answer->text);
  EXPECT_EQ(answer->trace.parts[0].panel.size(), 3u);
  EXPECT_DOUBLE_EQ(answer->trace.totals.energy.joules.value(), 6)
      << "the losers' energy counts, too";
}

TEST(Panel, SurvivesAFailedCandidate) {
  Fixture f;
  work::Generation request = asking("Explain the GPL license warranty");
  request.panel = true;
  f.caller.failing["law"] = Status(Code::kUnavailable, "law is gone");
  const auto answer = f.answer(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_NE(answer->trace.parts[0].expert, "law");
  EXPECT_THAT(work::to_json(answer->trace)["parts"][0]["panel"].dump(), HasSubstr("law is gone"));
  f.sink.text.clear();
  f.caller.failing["python"] = f.caller.failing["quijote"] = f.caller.failing["core"] =
      f.caller.failing["law"];
  EXPECT_EQ(f.answer(request).code(), Code::kUnavailable);
}

TEST(Tracing, UnknownNumbersAreNullAndMethodsAreHonest) {
  Fixture f;
  f.caller.energy = {};
  work::Generation request = asking("Explain the GPL license warranty");
  f.options.carbon.zone = "PY";
  const Json unknown = work::to_json(f.answer(request)->trace);
  EXPECT_TRUE(unknown["parts"][0]["energy"]["joules"].is_null());
  EXPECT_TRUE(unknown["totals"]["joules"].is_null());
  EXPECT_EQ(unknown["totals"]["method"], "unknown");
  EXPECT_TRUE(unknown["totals"]["gco2"].is_null());

  Fixture g;
  g.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    auto result = g.caller.answer(call, on_text);
    if (call.expert == "python")
      result->energy = {.joules = 3, .method = "estimated:cpu-time", .detail = "cpu"};
    return result;
  };
  request = asking("Explain the GPL license warranty. Also write a python function with a loop.");
  g.options.carbon = {.zone = "PY", .pue = 1};
  const Json mixed = work::to_json(g.answer(request)->trace);
  EXPECT_DOUBLE_EQ(mixed["totals"]["joules"], 5);
  EXPECT_EQ(mixed["totals"]["method"], "estimated:nvml+cpu-time");
  EXPECT_NEAR(mixed["totals"]["gco2"].get<double>(), 5 / 3.6e6 * 23.8, 1e-12);
}

TEST(Tracing, TimesComeFromTheClock) {
  Fixture f;
  f.caller.script = [&](const work::Generation& call, const OnText& on_text, std::stop_token) {
    f.clock.advance(std::chrono::milliseconds(100));
    return f.caller.answer(call, on_text);
  };
  const work::Trace trace = f.answer(asking("Explain the GPL license warranty"))->trace;
  EXPECT_DOUBLE_EQ(trace.totals.wall_ms, 100);
  EXPECT_DOUBLE_EQ(*trace.overhead_ms, 0);
  EXPECT_DOUBLE_EQ(trace.totals.tokens_per_s.value(), 200);
  const Json json = work::to_json(trace);
  EXPECT_EQ(json["request_id"], "r1");
  EXPECT_EQ(json["endpoint"], "hive");
  EXPECT_EQ(json["parts"][0]["ttft_ms"], 3.5);
  EXPECT_TRUE(json["parts"][0]["fallback"].is_null());
}

}  // namespace
}  // namespace panal::orchestrator
