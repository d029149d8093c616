// The promises of the engine, against a scripted model whose right answers are known beforehand.
#include "serve/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <ranges>
#include <thread>

#include "base/rng.h"
#include "tests/serve/scripted_model.h"

namespace panal::serve {
namespace {

using testing::HasSubstr;

// Greedy, so that the scripted model decides.
TokenizedGeneration request_of(std::string_view prompt, std::int64_t max_tokens = 20) {
  TokenizedGeneration request;
  request.prompt = prompt_of(prompt);
  request.request.max_tokens = max_tokens;
  request.request.sampling.temperature = 0;
  return request;
}

EngineOptions with_end() {
  EngineOptions options;
  options.stop_ids = {kEnd};
  return options;
}

/// Holds the model's thread in its next forward until opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++num_arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return num_arrived_ > 0; });
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int num_arrived_ = 0;
  bool is_open_ = false;
};

/// Submits and gives the answer as a future.
std::future<Result<work::GenerationResult>> start(Engine& engine, TokenizedGeneration request,
                                                  std::stop_token cancel = {}) {
  auto promise = std::make_shared<std::promise<Result<work::GenerationResult>>>();
  auto future = promise->get_future();
  const Status status = engine.submit(
      std::move(request),
      {.on_text = {}, .on_done = [promise](auto result) { promise->set_value(std::move(result)); }},
      cancel);
  if (!status.ok()) promise->set_value(status);
  return future;
}

TEST(Engine, AnswersAreNeverMixedWith32ConcurrentClients) {
  ScriptedModel model;
  const ScriptedModel reference;
  SystemClock clock;
  EngineOptions options = with_end();
  options.max_batch = 7;
  options.prefill_tokens_per_step = 5;
  Engine engine(model, byte_decoders(), options, clock);
  std::vector<std::thread> clients;
  std::vector<std::string> problems(32);
  for (int client = 0; client < 32; ++client) {
    clients.emplace_back([&, client] {
      const std::string adapter = client % 3 == 0 ? "" : client % 3 == 1 ? "law" : "code";
      for (int round = 0; round < 4; ++round) {
        const std::string prompt(static_cast<std::size_t>(1 + (client * 7 + round) % 40),
                                 static_cast<char>('A' + client));
        TokenizedGeneration request = request_of(prompt, 3 + client % 11);
        request.request.expert = adapter;
        std::string streamed;
        const auto result =
            engine.generate(request, [&](std::string_view text) { streamed += text; });
        const std::string wanted = reference.expected(adapter, prompt_of(prompt), 3 + client % 11);
        if (!result.ok()) {
          problems[static_cast<std::size_t>(client)] = result.status().message();
        } else if (result->text != wanted || streamed != wanted ||
                   result->finish_reason != work::FinishReason::kLength) {
          problems[static_cast<std::size_t>(client)] = wanted + " became " + result->text;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  for (const std::string& problem : problems) EXPECT_EQ(problem, "");
  EXPECT_EQ(model.num_open(), 0);
  EXPECT_EQ(engine.stats().finished, 32 * 4);
  EXPECT_EQ(engine.stats().running, 0);
}

TEST(Engine, SameSeedGivesTheSameTextWhoeverElseIsInTheBatch) {
  ScriptedModel model;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("poem", 40);
  request.request.sampling = {.temperature = 0.9, .top_p = 0.95, .top_k = 20, .seed = 7};
  const std::string alone = engine.generate(request)->text;
  std::vector<std::future<Result<work::GenerationResult>>> others;
  for (std::int64_t i = 0; i < 20; ++i) {
    TokenizedGeneration other = request_of("other prompt", 60);
    other.request.sampling = {.temperature = 1.3, .seed = i};
    others.push_back(start(engine, other));
  }
  EXPECT_EQ(engine.generate(request)->text, alone);
  request.request.sampling.seed = 8;
  EXPECT_NE(engine.generate(request)->text, alone);
  for (auto& other : others) EXPECT_TRUE(other.get().ok());
}

TEST(Engine, ALongPromptDoesNotStallRunningAnswers) {
  ScriptedModel model;
  std::vector<std::size_t> most_prefill;
  std::vector<std::size_t> num_decoding;
  Gate gate;
  model.before_forward = [&](auto steps) {
    gate.pass();
    std::size_t prefill = 0;
    std::size_t decoding = 0;
    for (const auto& step : steps) {
      // The short request decodes one token at a time; pieces of the long prompt are longer.
      (step.tokens.size() > 1 ? prefill : decoding) += step.tokens.size();
    }
    most_prefill.push_back(prefill);
    num_decoding.push_back(decoding);
  };
  SystemClock clock;
  EngineOptions options = with_end();
  options.prefill_tokens_per_step = 16;
  Engine engine(model, byte_decoders(), options, clock);
  auto short_one = start(engine, request_of("hi", 60));
  auto long_one = start(engine, request_of(std::string(400, 'x'), 5));
  gate.wait_for_arrival();
  gate.open();
  const ScriptedModel reference;
  EXPECT_EQ(short_one.get()->text, reference.expected("", prompt_of("hi"), 60));
  EXPECT_EQ(long_one.get()->text, reference.expected("", prompt_of(std::string(400, 'x')), 5));
  engine.stop();
  EXPECT_LE(*std::ranges::max_element(most_prefill), 16u);
  const auto num_mixed = std::ranges::count_if(
      std::views::iota(std::size_t{0}, most_prefill.size()),
      [&](std::size_t i) { return most_prefill[i] > 1 && num_decoding[i] == 1; });
  EXPECT_GE(num_mixed, 20) << "the short answer grew while the long prompt was read";
}

TEST(Engine, CancellingFreesTheSequenceAtOnceAndKeepsTheTextSoFar) {
  ScriptedModel model;
  std::stop_source cancel;
  model.before_forward = [&, count = 0](auto) mutable {
    if (++count == 6) cancel.request_stop();
  };
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  const auto result = engine.generate(request_of("abc", 500), {}, cancel.get_token());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, work::FinishReason::kCancelled);
  EXPECT_EQ(result->text, ScriptedModel().expected("", prompt_of("abc"), 6));
  EXPECT_EQ(model.num_open(), 0);
}

TEST(Engine, ACancelledWaitingRequestIsNeverRun) {
  ScriptedModel model;
  Gate gate;
  model.before_forward = [&](auto) { gate.pass(); };
  SystemClock clock;
  EngineOptions options = with_end();
  options.max_batch = 1;
  Engine engine(model, byte_decoders(), options, clock);
  auto first = start(engine, request_of("one", 3));
  gate.wait_for_arrival();
  std::stop_source cancel;
  auto second = start(engine, request_of("two", 3), cancel.get_token());
  cancel.request_stop();
  gate.open();
  const auto result = second.get();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, work::FinishReason::kCancelled);
  EXPECT_EQ(result->completion_tokens, 0);
  EXPECT_FALSE(result->time_to_first_token_ms.has_value());
  EXPECT_TRUE(first.get().ok());
}

TEST(Engine, AFullQueueRefusesAtOnceAndHurtsNobody) {
  ScriptedModel model;
  Gate gate;
  model.before_forward = [&](auto) { gate.pass(); };
  SystemClock clock;
  EngineOptions options = with_end();
  options.max_batch = 1;
  options.max_waiting = 2;
  Engine engine(model, byte_decoders(), options, clock);
  std::vector<std::future<Result<work::GenerationResult>>> accepted;
  accepted.push_back(start(engine, request_of("a")));
  gate.wait_for_arrival();
  accepted.push_back(start(engine, request_of("b")));
  accepted.push_back(start(engine, request_of("c")));
  const auto refused = start(engine, request_of("d")).get();
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("2 requests are waiting"));
  gate.open();
  for (auto& answer : accepted) EXPECT_TRUE(answer.get().ok());
}

TEST(Engine, AModelThatIsFullMakesRequestsWaitNotFail) {
  ScriptedModel model;
  model.max_sequences = 2;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  std::vector<std::future<Result<work::GenerationResult>>> answers;
  for (char letter = 'a'; letter < 'k'; ++letter) {
    answers.push_back(start(engine, request_of(std::string(3, letter))));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string prompt(3, static_cast<char>('a' + i));
    EXPECT_EQ(answers[i].get()->text, ScriptedModel().expected("", prompt_of(prompt), 20));
  }
}

TEST(Engine, AModelThatCanOpenNothingFailsTheRequest) {
  ScriptedModel model;
  model.max_sequences = 0;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  EXPECT_EQ(engine.generate(request_of("a")).code(), Code::kResourceExhausted);
}

TEST(Engine, OneFailingSequenceDoesNotHurtTheOthers) {
  ScriptedModel model;
  Gate gate;
  model.before_forward = [&](auto) { gate.pass(); };
  model.poisoned = {'x'};
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  auto before = start(engine, request_of("before"));
  gate.wait_for_arrival();
  auto poisoned = start(engine, request_of("x-poisoned"));
  auto after = start(engine, request_of("after"));
  gate.open();
  EXPECT_EQ(poisoned.get().status().message(), "a poisoned sequence");
  EXPECT_EQ(before.get()->text, ScriptedModel().expected("", prompt_of("before"), 20));
  EXPECT_EQ(after.get()->text, ScriptedModel().expected("", prompt_of("after"), 20));
  EXPECT_EQ(engine.stats().failed, 1);
  EXPECT_EQ(model.num_open(), 0);
}

TEST(Engine, StopStringsSpanTokensAndAreNotPartOfTheAnswer) {
  ScriptedModel model(says("one two END three", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 100);
  request.request.stop = {"never", " END"};
  std::string streamed;
  const auto result = engine.generate(request, [&](std::string_view text) { streamed += text; });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->text, "one two");
  EXPECT_EQ(streamed, "one two");
  EXPECT_EQ(result->finish_reason, work::FinishReason::kStop);
}

TEST(Engine, TextHeldBackForAStopThatNeverComesIsGivenOutAtTheEnd) {
  ScriptedModel model(says("almost EN", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 100);
  request.request.stop = {" END"};
  std::string streamed;
  const auto result = engine.generate(request, [&](std::string_view text) { streamed += text; });
  EXPECT_EQ(result->text, "almost EN");
  EXPECT_EQ(streamed, "almost EN");
}

TEST(Engine, EveryStreamedPieceIsWholeUtf8) {
  ScriptedModel model(says("año — 蜂巢 🐝!", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  std::vector<std::string> pieces;
  const Status status = engine.submit(
      request_of("p", 100), {.on_text = [&](std::string_view text) { pieces.emplace_back(text); },
                             .on_done = [](auto) {}});
  ASSERT_TRUE(status.ok());
  engine.stop(std::chrono::hours(1));
  std::string joined;
  for (const std::string& piece : pieces) {
    EXPECT_NE(static_cast<unsigned char>(piece.front()) & 0xC0, 0x80)
        << "starts inside a character";
    joined += piece;
  }
  EXPECT_EQ(joined, "año — 蜂巢 🐝!");
  EXPECT_EQ(pieces.size(), 11u) << "one piece per character";
}

TEST(Engine, AnAnswerCutInsideACharacterEndsWithTheReplacementCharacter) {
  ScriptedModel model(says("🐝", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  const auto result = engine.generate(request_of("p", 2));
  EXPECT_EQ(result->text, "\xEF\xBF\xBD");
  EXPECT_EQ(result->finish_reason, work::FinishReason::kLength);
}

TEST(Engine, StopIdsOfTheRequestEndItToo) {
  ScriptedModel model(says("abcdef", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 100);
  request.stop_ids = {'d'};
  const auto result = engine.generate(request);
  EXPECT_EQ(result->text, "abc");
  EXPECT_EQ(result->token_ids, prompt_of("abc"));
  EXPECT_EQ(result->finish_reason, work::FinishReason::kStop);
}

TEST(Engine, NothingEndsAnAnswerBeforeItsFewestTokens) {
  SystemClock clock;
  ScriptedModel ends(says("xy", 1));
  Engine engine(ends, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 100);
  request.request.min_tokens = 4;
  // Without the end, the lowest of the letters is as likely as any.
  EXPECT_EQ(engine.generate(request)->text, "xyaa");
  ScriptedModel stops(says("one END two END", 1));
  Engine other(stops, byte_decoders(), with_end(), clock);
  request.request.min_tokens = 7;
  request.request.stop = {" END"};
  const auto result = other.generate(request);
  EXPECT_EQ(result->text, "one END two");
  EXPECT_EQ(result->finish_reason, work::FinishReason::kStop);
}

// The scripted row: 1 for the token it says, 0.5 for letters, -50 for the rest.
TEST(Engine, LogprobsAreTheModelsOwnWhateverTheSamplingDoes) {
  ScriptedModel model(says("x", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 1);
  request.request.logprobs = 2;
  request.request.sampling.logit_bias = {{'q', 10}};
  const auto result = engine.generate(request);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->text, "q");
  const double log_total = std::log(std::exp(1.0) + 25 * std::exp(0.5));
  ASSERT_EQ(result->logprobs.size(), 1u);
  const work::TokenLogprobs& first = result->logprobs.front();
  EXPECT_EQ(first.chosen.token, 'q');
  EXPECT_EQ(first.chosen.bytes, (std::vector<std::int32_t>{'q'}));
  EXPECT_NEAR(first.chosen.logprob, 0.5 - log_total, 1e-5);
  ASSERT_EQ(first.likeliest.size(), 2u);
  EXPECT_EQ(first.likeliest[0].token, 'x');
  EXPECT_NEAR(first.likeliest[0].logprob, 1 - log_total, 1e-5);
  EXPECT_EQ(first.likeliest[1].token, 'a');
}

TEST(Engine, TheModelsEndIsIgnoredOnRequest) {
  ScriptedModel model(says("xy", 1));
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 4);
  request.request.ignore_eos = true;
  const auto result = engine.generate(request);
  EXPECT_EQ(result->token_ids, (History{'x', 'y', kEnd, kEnd}));
  EXPECT_EQ(result->finish_reason, work::FinishReason::kLength);
}

TEST(Engine, TheContextLimitsTheAnswerAndRefusesALongerPrompt) {
  ScriptedModel model;
  model.context = 10;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  const auto cut = engine.generate(request_of("1234567", 1000));
  EXPECT_EQ(cut->completion_tokens, 3);
  EXPECT_EQ(cut->finish_reason, work::FinishReason::kLength);
  const auto refused = engine.generate(request_of("1234567890", 1));
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("maximum context length is 10 tokens, but the prompt has 10"));
}

TEST(Engine, BadRequestsAreRefusedBeforeTheyQueue) {
  ScriptedModel model;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  const auto code_of = [&](auto change) {
    TokenizedGeneration request = request_of("p");
    change(request);
    return engine.generate(request).code();
  };
  EXPECT_EQ(code_of([](auto& r) { r.prompt.clear(); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.prompt = {kVocabulary}; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.prompt = {-1}; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.max_tokens = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.stop = {""}; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.stop.assign(17, "x"); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.sampling.temperature = -1; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.sampling.top_p = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.logprobs = 21; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.min_tokens = 21; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) {
              r.request.sampling.logit_bias = {{kVocabulary, 1}};
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([](auto& r) { r.request.expert = "cooking"; }), Code::kNotFound);
  EXPECT_EQ(code_of([](auto&) {}), Code::kOk);
  EXPECT_EQ(engine.stats().failed, 0);
}

TEST(Engine, ALateRequestFailsWithItsLimit) {
  ScriptedModel model;
  ManualClock clock;
  model.before_forward = [&](auto) { clock.advance(std::chrono::milliseconds(10)); };
  Engine engine(model, byte_decoders(), with_end(), clock);
  TokenizedGeneration request = request_of("p", 500);
  request.time_limit = std::chrono::milliseconds(55);
  EXPECT_EQ(engine.generate(request).code(), Code::kDeadlineExceeded);
  EXPECT_EQ(model.num_open(), 0);
}

TEST(Engine, StatisticsComeFromTheClock) {
  ScriptedModel model(says("abcde", 4));
  ManualClock clock;
  model.before_forward = [&](auto) { clock.advance(std::chrono::milliseconds(10)); };
  EngineOptions options = with_end();
  options.prefill_tokens_per_step = 2;
  Engine engine(model, byte_decoders(), options, clock);
  const auto result = engine.generate(request_of("1234", 100));
  const work::GenerationResult& stats = *result;
  EXPECT_EQ(stats.prompt_tokens, 4);
  EXPECT_EQ(stats.completion_tokens, 5);
  EXPECT_DOUBLE_EQ(*stats.queue_ms, 0);
  EXPECT_DOUBLE_EQ(*stats.prefill_ms, 20) << "two pieces of the prompt";
  EXPECT_DOUBLE_EQ(*stats.time_to_first_token_ms, 20);
  EXPECT_DOUBLE_EQ(*stats.total_ms, 70);
}

TEST(Engine, EveryJouleOfTheMeterGoesToARequestOrToIdle) {
  energy::SyntheticMeter meter;
  ScriptedModel model;
  model.meter = &meter;
  SystemClock clock;
  EngineOptions options = with_end();
  options.meter = &meter;
  options.prefill_tokens_per_step = 8;
  Engine engine(model, byte_decoders(), options, clock);
  meter.add_joules(5);  // Before anybody asks: idle.
  std::vector<std::future<Result<work::GenerationResult>>> answers;
  Rng rng(42);
  std::int64_t num_tokens = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string prompt(1 + rng.below(30), static_cast<char>('a' + i));
    const auto max_tokens = static_cast<std::int64_t>(1 + rng.below(20));
    // The last sampled token is never read by the model.
    num_tokens += static_cast<std::int64_t>(prompt.size()) + max_tokens - 1;
    answers.push_back(start(engine, request_of(prompt, max_tokens)));
  }
  double of_requests = 0;
  for (auto& answer : answers) {
    const auto result = answer.get();
    EXPECT_EQ(result->energy.method, "measured:synthetic");
    of_requests += result->energy.joules.value();
  }
  engine.stop();
  const EngineStats stats = engine.stats();
  EXPECT_TRUE(stats.energy_is_complete);
  EXPECT_NEAR(of_requests, stats.request_joules, 1e-9);
  EXPECT_NEAR(stats.request_joules + stats.idle_joules, 5 + 0.5 * static_cast<double>(num_tokens),
              1e-9);
  EXPECT_NEAR(stats.request_joules, 0.5 * static_cast<double>(num_tokens), 5 + 1e-9);
}

TEST(Engine, AShareOfAStepIsByTokens) {
  energy::SyntheticMeter meter;
  ScriptedModel model;
  model.meter = &meter;
  SystemClock clock;
  EngineOptions options = with_end();
  options.meter = &meter;
  Engine engine(model, byte_decoders(), options, clock);
  const auto result = engine.generate(request_of("12345678", 5));
  EXPECT_NEAR(*result->energy.joules, 0.5 * (8 + 4), 1e-9);
}

TEST(Engine, EnergyThatCannotBeReadIsUnknownNotZero) {
  energy::SyntheticMeter meter;
  ScriptedModel model;
  model.before_forward = [&](auto) { meter.set_readable(false); };
  SystemClock clock;
  EngineOptions options = with_end();
  options.meter = &meter;
  Engine engine(model, byte_decoders(), options, clock);
  const auto result = engine.generate(request_of("p", 3));
  EXPECT_FALSE(result->energy.joules.has_value());
  EXPECT_EQ(result->energy.method, "unknown");
  EXPECT_FALSE(engine.stats().energy_is_complete);

  Engine without_meter(model, byte_decoders(), with_end(), clock);
  engine.stop();
  EXPECT_FALSE(without_meter.generate(request_of("p", 3))->energy.joules.has_value());
}

TEST(Engine, StoppingWithDrainFinishesWhatRunsAndClosesTheGate) {
  ScriptedModel model;
  Gate gate;
  model.before_forward = [&](auto) { gate.pass(); };
  SystemClock clock;
  EngineOptions options = with_end();
  options.max_batch = 1;
  Engine engine(model, byte_decoders(), options, clock);
  auto running = start(engine, request_of("running"));
  auto waiting = start(engine, request_of("waiting"));
  gate.wait_for_arrival();
  std::thread stopper([&] { engine.stop(std::chrono::hours(1)); });
  while (start(engine, request_of("late", 1)).wait_for(std::chrono::seconds(0)) !=
         std::future_status::ready) {
    std::this_thread::yield();  // Until the gate has closed; refused requests are ready at once.
  }
  gate.open();
  stopper.join();
  EXPECT_EQ(running.get()->text, ScriptedModel().expected("", prompt_of("running"), 20));
  EXPECT_EQ(waiting.get()->text, ScriptedModel().expected("", prompt_of("waiting"), 20));
  EXPECT_EQ(engine.generate(request_of("late")).code(), Code::kUnavailable);
}

TEST(Engine, StoppingWithoutDrainFailsEverybodyOnce) {
  ScriptedModel model;
  Gate gate;
  model.before_forward = [&](auto) { gate.pass(); };
  SystemClock clock;
  EngineOptions options = with_end();
  options.max_batch = 2;
  std::vector<std::future<Result<work::GenerationResult>>> answers;
  {
    Engine engine(model, byte_decoders(), options, clock);
    for (int i = 0; i < 6; ++i) answers.push_back(start(engine, request_of("abc", 900)));
    gate.wait_for_arrival();
    gate.open();
  }
  for (auto& answer : answers) {
    const auto result = answer.get();
    EXPECT_TRUE(result.ok() || result.code() == Code::kUnavailable);
  }
  EXPECT_EQ(model.num_open(), 0);
}

TEST(Engine, ACallbackMaySubmitTheNextRequest) {
  ScriptedModel model;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  std::promise<std::string> second;
  const Status status = engine.submit(
      request_of("first", 3),
      {.on_text = {}, .on_done = [&](auto) {
         EXPECT_TRUE(engine
                         .submit(request_of("second", 3),
                                 {.on_text = {},
                                  .on_done = [&](auto result) { second.set_value(result->text); }})
                         .ok());
       }});
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(second.get_future().get(), ScriptedModel().expected("", prompt_of("second"), 3));
}

TEST(Engine, AReaderThatThrowsEndsItsOwnRequestOnly) {
  ScriptedModel model;
  SystemClock clock;
  Engine engine(model, byte_decoders(), with_end(), clock);
  EXPECT_THROW((void)engine.generate(request_of("p", 900),
                                     [](std::string_view) { throw std::runtime_error("gone"); }),
               std::runtime_error);
  EXPECT_TRUE(engine.generate(request_of("q", 3)).ok());
  engine.stop(std::chrono::hours(1));
  EXPECT_EQ(engine.stats().finished, 2) << "the abandoned one was ended, too";
}

}  // namespace
}  // namespace panal::serve
