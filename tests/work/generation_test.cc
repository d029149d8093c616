#include "work/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "work/trace.h"

namespace panal::work {
namespace {

using testing::HasSubstr;

Generation full_generation() {
  return {.request_id = "r1",
          .model = "auto",
          .expert = "legal",
          .input = Conversation{{"system", ""}, {"user", "año 🙂"}},
          .special_tokens = false,
          .max_tokens = 2147483647,
          .min_tokens = 3,
          .ignore_eos = true,
          .sampling = {.temperature = 0.7,
                       .top_p = 0.95,
                       .min_p = 0.05,
                       .top_k = 40,
                       .seed = -1,
                       .frequency_penalty = -0.5,
                       .presence_penalty = 2,
                       .repetition_penalty = 1.1,
                       .logit_bias = {{.token = 7, .bias = -100}, {.token = 0, .bias = 0.5}}},
          .logprobs = 5,
          .stop = {"\n\n", "###"},
          .split = false,
          .panel = true};
}

std::string refusal(const Json& document) {
  const auto decoded = decode<Generation>(document, "request");
  return decoded.ok() ? "accepted" : decoded.status().message();
}

TEST(Generation, ComesBackAsItWasSent) {
  const Generation sent = full_generation();
  const auto came = parse<Generation>(to_line(encode(sent)), "request");
  ASSERT_TRUE(came.ok()) << came.status().message();
  EXPECT_EQ(*came, sent);
  for (const auto& input : {decltype(Generation::input){std::string("plain")},
                            decltype(Generation::input){TokenIds{0, 7, 2147483647}}}) {
    Generation other;
    other.input = input;
    EXPECT_EQ(decode<Generation>(encode(other), "request").value(), other);
  }
}

// What is not set stays unset on the other side: nobody turns silence into 0.
TEST(Generation, LeavesUnsetWishesUnset) {
  const Generation bare{.input = std::string("Once")};
  const Json document = encode(bare);
  EXPECT_FALSE(document.contains("max_tokens"));
  EXPECT_FALSE(document.at("sampling").contains("temperature"));
  EXPECT_EQ(decode<Generation>(document, "request").value(), bare);
}

// Any seed of 64 bits is a seed.
TEST(Generation, TakesAnySeed) {
  for (const std::int64_t seed : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                  std::numeric_limits<std::int64_t>::max()}) {
    Generation generation{.input = std::string("a")};
    generation.sampling.seed = seed;
    EXPECT_EQ(decode<Generation>(encode(generation), "request").value().sampling.seed, seed);
  }
}

TEST(Generation, RefusesWhatItMisreads) {
  const Json good = encode(full_generation());
  const auto with = [&](const char* key, const Json& value) {
    Json bad = good;
    bad[key] = value;
    return bad;
  };
  EXPECT_THAT(refusal(with("max_tokns", 3)), HasSubstr("request: unknown member \"max_tokns\""));
  EXPECT_THAT(refusal(with("max_tokens", "ten")), HasSubstr("\"max_tokens\" must be an integer"));
  EXPECT_THAT(refusal(with("sampling", {{"temperature", -1}})),
              HasSubstr("request.sampling: \"temperature\" must be a number from 0 to 100"));
  EXPECT_THAT(refusal(with("messages", {{{"role", "user"}}})),
              HasSubstr("request.messages[0]: \"content\" is missing"));
  EXPECT_THAT(refusal(with("prompt", "and this")), HasSubstr("exactly one of"));
  EXPECT_THAT(refusal(with("stop", {""})), HasSubstr("1 to 1024 bytes"));
  Json without = good;
  without.erase("messages");
  EXPECT_THAT(refusal(without), HasSubstr("exactly one of"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("expected a JSON object"));
}

// A newer peer may say more than we know; a peer of our version that does has misspelt something.
TEST(Version, IgnoresAndCountsUnknownMembersOfNewerMinorVersionsOnly) {
  Json document = encode(full_generation());
  document["mood"] = "calm";
  document["sampling"]["typical_p"] = 0.9;
  EXPECT_FALSE(decode<Generation>(document, "request").ok());
  document["version"] = "1.7";
  const auto decoded = decode_counting<Generation>(document, "request");
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  EXPECT_EQ(decoded->num_ignored, 2);
  EXPECT_EQ(decoded->value, full_generation());
}

TEST(Version, RefusesOtherLanguages) {
  Json document = encode(full_generation());
  document["version"] = "2.0";
  const auto decoded = decode<Generation>(document, "request");
  EXPECT_EQ(decoded.code(), Code::kUnsupported);
  EXPECT_THAT(decoded.status().message(), HasSubstr("version 2.0"));
  for (const Json& bad :
       {Json("1"), Json("1.x"), Json("1.0.0"), Json(1), Json(nullptr), Json("-1.0")}) {
    document["version"] = bad;
    EXPECT_EQ(decode<Generation>(document, "request").code(), Code::kInvalidArgument) << bad;
  }
}

// Cut and flipped bytes are errors or other requests, never a crash.
TEST(Generation, SurvivesBrokenBytes) {
  const std::string line = to_line(encode(full_generation()));
  for (std::size_t i = 0; i < line.size(); ++i) {
    EXPECT_FALSE(parse<Generation>(line.substr(0, i), "request").ok());
    std::string flipped = line;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x15);
    const auto outcome = parse<Generation>(flipped, "request");
    EXPECT_TRUE(outcome.ok() || !outcome.status().message().empty());
  }
}

TEST(GenerationEvent, SaysTextOrEndOrFailure) {
  const auto again = [](const GenerationEvent& event) {
    return parse<GenerationEvent>(to_line(encode(event)), "event").value();
  };
  EXPECT_EQ(std::get<std::string>(again({std::string("pie")}).event), "pie");
  const auto failed = again({Failure::of(Status(Code::kNotFound, "no such adapter"))});
  EXPECT_EQ(std::get<Failure>(failed.event).status().code(), Code::kNotFound);
  GenerationResult result{.text = "pie",
                          .token_ids = {1, 2},
                          .logprobs = {{.chosen = {.token = 1, .bytes = {0xC3}, .logprob = -0.25},
                                        .likeliest = {{.token = 9, .logprob = -1}}}},
                          .finish_reason = FinishReason::kLength,
                          .prompt_tokens = 3,
                          .completion_tokens = 2,
                          .tokens_per_s = std::nan("")};
  result.energy = {.joules = 1.5, .method = "measured:rapl-package", .detail = "package 0"};
  const auto done = std::get<GenerationResult>(again({result}).event);
  EXPECT_EQ(done.finish_reason, FinishReason::kLength);
  EXPECT_EQ(done.token_ids, result.token_ids);
  EXPECT_EQ(done.logprobs, result.logprobs);
  EXPECT_EQ(done.energy.joules, 1.5);
  // A number that is none is unknown.
  EXPECT_FALSE(done.tokens_per_s.has_value());
  EXPECT_FALSE(done.time_to_first_token_ms.has_value());
}

// A figure that is missing or misspelt is an error, never 0.
TEST(GenerationResult, RefusesMissingAndMisspeltFigures) {
  const Json good = encode(GenerationResult{});
  for (const char* key : {"finish_reason", "prompt_tokens", "completion_tokens", "energy"}) {
    Json bad = good;
    bad.erase(key);
    EXPECT_THAT(decode<GenerationResult>(bad, "answer").status().message(), HasSubstr(key));
  }
  Json misspelt = good;
  misspelt["tokens_per_second"] = 3;
  EXPECT_FALSE(decode<GenerationResult>(misspelt, "answer").ok());
}

TEST(Trace, ComesBackWithUnknownFiguresUnknown) {
  Trace trace{.request_id = "r1", .endpoint = "hive"};
  trace.parts.push_back({.index = 0,
                         .text = "¿Quién?",
                         .expert = "spanish",
                         .why = "0.9 likely",
                         .confidence = 0.9,
                         .alternatives = {{"core", 0.1}},
                         .prompt_tokens = 3,
                         .completion_tokens = 4,
                         .panel = {"core: 0.1"}});
  trace.totals.wall_ms = 12;
  trace.totals.gco2_method = "no zone";
  const Json json = to_json(trace);
  EXPECT_TRUE(json.at("totals").at("joules").is_null());
  EXPECT_FALSE(json.contains("version"));
  const auto came = from_json<Trace>(json, "answer");
  ASSERT_TRUE(came.ok()) << came.status().message();
  EXPECT_FALSE(came->totals.energy.joules.has_value());
  EXPECT_EQ(came->parts.at(0).alternatives.at(0).expert, "core");
  EXPECT_EQ(came->parts.at(0).panel, trace.parts.at(0).panel);
  EXPECT_EQ(to_json(*came), json);
}

}  // namespace
}  // namespace panal::work
