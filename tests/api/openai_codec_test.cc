#include "api/openai_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <variant>

namespace panal::api {
namespace {

using ::testing::HasSubstr;

// A chat request with `extra` members behind the two that must be there.
std::string chat_with(const std::string& extra) {
  return R"({"model":"bee","messages":[{"role":"user","content":"hi"}])" +
         (extra.empty() ? "" : "," + extra) + "}";
}

ApiRequest read_chat(const std::string& body) {
  auto parsed = parse_chat_request(body);
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    ADD_FAILURE() << body << ": " << error->message;
    return {};
  }
  return std::get<ApiRequest>(parsed);
}

ApiError chat_error(const std::string& body) {
  auto parsed = parse_chat_request(body);
  if (std::holds_alternative<ApiRequest>(parsed)) {
    ADD_FAILURE() << "accepted: " << body.substr(0, 200);
    return {};
  }
  return std::get<ApiError>(parsed);
}

TEST(ChatRequest, ReadsEverythingItSupports) {
  const ApiRequest request = read_chat(
      R"({"model":"bee","messages":[{"role":"developer","content":"Be kind."},
      {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"\u00f1"}]},
      {"role":"assistant","content":"two","name":"x"},{"role":"user","content":""}],
      "max_tokens":5,"max_completion_tokens":16.0,"temperature":0,"top_p":0.5,"top_k":40,"seed":7,
      "min_p":0.1,"frequency_penalty":0.5,"presence_penalty":-1,"repetition_penalty":1.2,
      "stop":["a","b"],"stream":true,"stream_options":{"include_usage":true},
      "panal":{"route":"legal","split":false,"panel":true}})");
  const work::Generation& answer = request.generations.at(0);
  EXPECT_EQ(answer.model, "bee");
  const auto& messages = std::get<work::Conversation>(answer.input);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "one\n\xC3\xB1");
  EXPECT_EQ(messages[2].name, "x");
  EXPECT_EQ(messages[3].content, "");
  EXPECT_EQ(answer.max_tokens, 16);
  EXPECT_EQ(answer.sampling.temperature, 0.0);
  EXPECT_EQ(answer.sampling.top_p, 0.5);
  EXPECT_EQ(answer.sampling.top_k, 40);
  EXPECT_EQ(answer.sampling.seed, 7);
  EXPECT_EQ(answer.sampling.min_p, 0.1);
  EXPECT_EQ(answer.sampling.frequency_penalty, 0.5);
  EXPECT_EQ(answer.sampling.presence_penalty, -1);
  EXPECT_EQ(answer.sampling.repetition_penalty, 1.2);
  EXPECT_EQ(answer.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request.is_streamed);
  EXPECT_TRUE(request.include_usage);
  EXPECT_EQ(answer.expert, "legal");
  EXPECT_EQ(answer.split, false);
  EXPECT_EQ(answer.panel, true);
}

TEST(ChatRequest, LeavesWhatIsNotSentToTheService) {
  const ApiRequest request = read_chat(chat_with(R"("panal":{"route":"auto"},"max_tokens":null)"));
  const work::Generation& answer = request.generations.at(0);
  EXPECT_EQ(answer.max_tokens, std::nullopt);
  EXPECT_EQ(answer.sampling, work::Sampling{});
  EXPECT_EQ(answer.expert, "");
  EXPECT_EQ(answer.split, std::nullopt);
  EXPECT_FALSE(request.is_streamed);
}

TEST(ChatRequest, ReadsWhatBendsTheAnswer) {
  const ApiRequest request =
      read_chat(chat_with(R"("logit_bias":{"7":-100,"12":1.5},"min_tokens":3,"ignore_eos":true)"));
  const work::Generation& answer = request.generations.at(0);
  // In the order of JSON's keys.
  EXPECT_EQ(answer.sampling.logit_bias,
            (std::vector<work::TokenBias>{{.token = 12, .bias = 1.5}, {.token = 7, .bias = -100}}));
  EXPECT_EQ(answer.min_tokens, 3);
  EXPECT_TRUE(answer.ignore_eos);
}

TEST(ChatRequest, ChoicesDoNotMultiplyALargeBody) {
  const std::string text(1 << 20, 'a');
  const auto asked = [&](int n) {
    return parse_completion_request("{\"prompt\":\"" + text + "\",\"n\":" + std::to_string(n) +
                                    "}");
  };
  EXPECT_TRUE(std::holds_alternative<ApiRequest>(asked(30)));
  ASSERT_TRUE(std::holds_alternative<ApiError>(asked(33)));
  EXPECT_EQ(std::get<ApiError>(asked(33)).param, "n");
}

TEST(ChatRequest, AsksForLogprobsByABooleanAndACompletionByANumber) {
  const auto chat = [](const char* extra) {
    return read_chat(chat_with(extra)).generations.at(0).logprobs;
  };
  EXPECT_EQ(chat(R"("logprobs":false)"), std::nullopt);
  EXPECT_EQ(chat(R"("logprobs":true)"), 0);
  EXPECT_EQ(chat(R"("logprobs":true,"top_logprobs":20)"), 20);
  const auto parsed = parse_completion_request(R"({"prompt":"a","logprobs":3})");
  EXPECT_EQ(std::get<ApiRequest>(parsed).generations.at(0).logprobs, 3);
}

// Columns and rows of the same: a token of two characters, and half a character.
TEST(AnswerJson, HasLogprobsInTheFormOfItsKind) {
  const work::TokenLogprob whole{.token = 5, .bytes = {'a', 0xC3, 0xB1}, .logprob = -0.5};
  const work::TokenLogprob half{.token = 6, .bytes = {0xC3}, .logprob = -2};
  AnsweredPrompt answer;
  answer.summary.logprobs = {{.chosen = whole, .likeliest = {whole, half}}, {.chosen = half}};
  AnswerIdentity identity{.id = "x", .model = "bee", .is_chat = true, .has_logprobs = true};
  const Json content = answer_json(identity, {answer})["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], "a\xC3\xB1");
  EXPECT_EQ(content[0]["bytes"], Json::array({'a', 0xC3, 0xB1}));
  EXPECT_EQ(content[0]["top_logprobs"][1]["logprob"], -2);
  EXPECT_EQ(content[1]["token"], "\xEF\xBF\xBD");
  EXPECT_EQ(finish_chunk(identity, 0, answer.summary)["choices"][0]["logprobs"]["content"],
            content);
  identity.is_chat = false;
  const Json columns = answer_json(identity, {answer})["choices"][0]["logprobs"];
  EXPECT_EQ(columns["tokens"], Json::array({"a\xC3\xB1", "\xEF\xBF\xBD"}));
  EXPECT_EQ(columns["token_logprobs"], Json::array({-0.5, -2.0}));
  EXPECT_EQ(columns["text_offset"], Json::array({0, 2}));
  EXPECT_EQ(columns["top_logprobs"][0]["a\xC3\xB1"], -0.5);
  identity.has_logprobs = false;
  EXPECT_TRUE(answer_json(identity, {answer})["choices"][0]["logprobs"].is_null());
}

TEST(ChatRequest, AsksForEachChoiceByASeedOfItsOwn) {
  const ApiRequest request = read_chat(chat_with(R"("n":3,"seed":5)"));
  ASSERT_EQ(request.generations.size(), 3u);
  EXPECT_EQ(request.choices_per_prompt, 3u);
  std::set<std::int64_t> seeds;
  for (const work::Generation& one : request.generations) {
    seeds.insert(one.sampling.seed.value());
    EXPECT_EQ(one.input, request.generations.front().input);
  }
  EXPECT_EQ(request.generations.front().sampling.seed, 5) << "the first is what n = 1 would be";
  EXPECT_EQ(seeds.size(), 3u);
  for (const work::Generation& one : read_chat(chat_with(R"("n":2)")).generations)
    EXPECT_EQ(one.sampling.seed, std::nullopt);
}

// Stock clients send members we do not know and neutral values of those we cannot do.
TEST(ChatRequest, ToleratesWhatAsksForNothing) {
  for (const char* extra : {R"("user":"u","store":false,"metadata":{},"something_new":[1,2])",
                            R"("n":1)", R"("n":null)", R"("logprobs":false)", R"("top_logprobs":0)",
                            R"("frequency_penalty":0,"presence_penalty":0.0)", R"("logit_bias":{})",
                            R"("tools":[])", R"("tool_choice":"auto")", R"("modalities":["text"])",
                            R"("response_format":{"type":"text","schema":{}})", R"("stop":null)",
                            R"("stop":"")", R"("stop":[""])", R"("grammar":"")",
                            R"("min_tokens":0,"ignore_eos":false)", R"("stream_options":null)"}) {
    EXPECT_EQ(read_chat(chat_with(extra)).generations.at(0).model, "bee") << extra;
  }
}

TEST(ChatRequest, NamesTheMemberThatIsWrong) {
  struct Case {
    const char* extra;
    const char* param;
  };
  for (const Case& one : {
           Case{R"("max_tokens":0)", "max_tokens"},
           Case{R"("max_tokens":1.5)", "max_tokens"},
           Case{R"("max_tokens":"10")", "max_tokens"},
           Case{R"("max_tokens":99999999999999999999)", "max_tokens"},
           Case{R"("max_tokens":18446744073709551615)", "max_tokens"},
           Case{R"("max_completion_tokens":[])", "max_completion_tokens"},
           Case{R"("temperature":2.1)", "temperature"},
           Case{R"("temperature":-0.1)", "temperature"},
           Case{R"("temperature":1e308)", "temperature"},
           Case{R"("temperature":true)", "temperature"},
           Case{R"("top_p":1.01)", "top_p"},
           Case{R"("top_k":-2)", "top_k"},
           Case{R"("seed":0.5)", "seed"},
           Case{R"("seed":18446744073709551615)", "seed"},
           Case{R"("stop":{})", "stop"},
           Case{R"("stop":[1])", "stop"},
           Case{R"("stream":"yes")", "stream"},
           Case{R"("stream":true,"stream_options":[])", "stream_options"},
           Case{R"("stream":true,"stream_options":{"include_usage":1})",
                "stream_options.include_usage"},
           Case{R"("n":0)", "n"},
           Case{R"("n":129)", "n"},
           Case{R"("logprobs":5)", "logprobs"},
           Case{R"("top_logprobs":3)", "top_logprobs"},
           Case{R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
           Case{R"("presence_penalty":"1")", "presence_penalty"},
           Case{R"("frequency_penalty":2.5)", "frequency_penalty"},
           Case{R"("repetition_penalty":0)", "repetition_penalty"},
           Case{R"("min_p":1.5)", "min_p"},
           Case{R"("max_tokens":-2)", "max_tokens"},
           Case{R"("stop":["a",1])", "stop"},
           Case{R"("stream_options":{"include_usage":true})", "stream_options"},
           Case{R"("grammar":"root ::= x")", "grammar"},
           Case{R"("json_schema":{"type":"object"})", "json_schema"},
           Case{R"("structured_outputs":{"json":{}})", "structured_outputs"},
           Case{R"("guided_regex":"a+")", "guided_regex"},
           Case{R"("ignore_eos":1)", "ignore_eos"},
           Case{R"("min_tokens":-1)", "min_tokens"},
           Case{R"("min_tokens":5,"max_tokens":4)", "min_tokens"},
           Case{R"("logit_bias":[])", "logit_bias"},
           Case{R"("logit_bias":{"5":101})", "logit_bias"},
           Case{R"("logit_bias":{"5":"1"})", "logit_bias"},
           Case{R"("logit_bias":{"five":1})", "logit_bias"},
           Case{R"("logit_bias":{"-5":1})", "logit_bias"},
           Case{R"("logit_bias":{"5000000000":1})", "logit_bias"},
           Case{R"("tools":[{"type":"function"}])", "tools"},
           Case{R"("response_format":{"type":"json_object"})", "response_format"},
           Case{R"("modalities":["text","audio"])", "modalities"},
           Case{R"("panal":"legal")", "panal"},
           Case{R"("panal":{"rout":"legal"})", "panal"},
           Case{R"("panal":{"route":1})", "panal.route"},
           Case{R"("panal":{"route":""})", "panal.route"},
           Case{R"("panal":{"split":"no"})", "panal.split"},
           Case{R"("panal":{"panel":1})", "panal.panel"},
       }) {
    const ApiError error = chat_error(chat_with(one.extra));
    EXPECT_EQ(error.status, 400) << one.extra;
    EXPECT_EQ(error.type, "invalid_request_error") << one.extra;
    EXPECT_EQ(error.param, one.param) << one.extra << ": " << error.message;
    EXPECT_THAT(error.message, HasSubstr(one.param)) << one.extra;
  }
}

TEST(ChatRequest, NamesTheMessageThatIsWrong) {
  struct Case {
    const char* messages;
    const char* param;
  };
  for (const Case& one : {
           Case{R"([])", "messages"},
           Case{R"("hi")", "messages"},
           Case{R"(null)", "messages"},
           Case{R"({"role":"user"})", "messages"},
           Case{R"(["hi"])", "messages[0]"},
           Case{R"([{"content":"hi"}])", "messages[0].role"},
           Case{R"([{"role":"user"}])", "messages[0].content"},
           Case{R"([{"role":"user","content":null}])", "messages[0].content"},
           Case{R"([{"role":"user","content":5}])", "messages[0].content"},
           Case{R"([{"role":"king","content":"hi"}])", "messages[0].role"},
           Case{R"([{"role":7,"content":"hi"}])", "messages[0].role"},
           Case{R"([{"role":"user","content":"a"},{"role":"user","content":["b"]}])",
                "messages[1].content[0]"},
           Case{R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0]"},
           Case{R"([{"role":"user","content":[{"type":"text","text":1}]}])",
                "messages[0].content[0]"},
           Case{R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
                "messages[0].content[0]"},
       }) {
    const ApiError error =
        chat_error(std::string(R"({"model":"bee","messages":)") + one.messages + "}");
    EXPECT_EQ(error.param, one.param) << one.messages << ": " << error.message;
  }
  EXPECT_EQ(chat_error(R"({"model":3,"messages":[{"role":"user","content":"hi"}]})").param,
            "model");
}

TEST(ChatRequest, RefusesWhatIsNoJsonObject) {
  for (const std::string& body :
       {std::string(), std::string(" "), std::string("{"), std::string("{\"model\":"),
        std::string("nonsense"), std::string("[]"), std::string("3"), std::string("\"text\""),
        std::string("null"), std::string("{} {}"), std::string("{'model':'bee'}"),
        std::string("{\"a\":1e999}"), std::string("{\"model\":\"\xFF\xFE\"}"),
        std::string("{\"model\":\"\\ud800\"}"), std::string("\0\0\0", 3), std::string(100'000, '['),
        "{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}"}) {
    const ApiError error = chat_error(body);
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.type, "invalid_request_error");
    EXPECT_LT(error.message.size(), 300u);
  }
}

// Every shortening of a good request is refused with words, never accepted and never a crash.
TEST(ChatRequest, RefusesEveryShorteningOfAGoodRequest) {
  const std::string whole = chat_with(R"("stop":["a","\u00e9"],"panal":{"route":"core"})");
  EXPECT_EQ(read_chat(whole).generations.at(0).expert, "core");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(chat_error(whole.substr(0, length)).status, 400);
  }
}

// Looking members up stays fast in an object made to be slow.
TEST(ChatRequest, ReadsAnObjectWithVeryManyMembers) {
  std::string extra;
  for (int i = 0; i < 200'000; ++i) extra += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(read_chat(chat_with(extra + "\"max_tokens\":9")).generations.at(0).max_tokens, 9);
}

TEST(ChatRequest, ShowsOnlyTheStartOfALongValue) {
  const ApiError error = chat_error(chat_with("\"seed\":\"" + std::string(1'000'000, 'x') + "\""));
  EXPECT_EQ(error.param, "seed");
  EXPECT_LT(error.message.size(), 300u);
}

// Clients send what they like; what means nothing here is cut to what means the same.
TEST(ChatRequest, TakesLimitsAndSeedsAsClientsSendThem) {
  const auto one = [](const std::string& extra) {
    return read_chat(chat_with(extra)).generations.at(0);
  };
  EXPECT_EQ(one(R"("max_tokens":-1)").max_tokens, std::nullopt);
  EXPECT_EQ(one(R"("max_tokens":2147483647)").max_tokens, 2147483647);
  EXPECT_EQ(one(R"("max_tokens":9007199254740993)").max_tokens, 2147483647);
  EXPECT_EQ(one(R"("seed":-1)").sampling.seed, std::nullopt);
  EXPECT_EQ(one(R"("seed":-9223372036854775808)").sampling.seed, INT64_MIN);
  EXPECT_EQ(one(R"("top_k":-1)").sampling.top_k, 0);
}

// An assistant that only called a tool has said nothing.
TEST(ChatRequest, ReadsHistoriesWithToolsAndSilence) {
  const ApiRequest request = read_chat(
      R"({"messages":[{"role":"user","content":"Is it raining?"},{"role":"assistant","content":null,
      "tool_calls":[{"id":"a1","type":"function","function":{"name":"rain","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"a1","content":"no"},{"role":"assistant"}]})");
  const auto& messages = std::get<work::Conversation>(request.generations.at(0).input);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1].content, "");
  EXPECT_EQ(messages[1].tool_calls->at(0).at("id"), "a1");
  EXPECT_EQ(messages[2].tool_call_id, "a1");
  EXPECT_EQ(messages[3].content, "");
}

TEST(CompletionRequest, ReadsPromptsInAllTheirForms) {
  const auto inputs = [](const std::string& members) {
    std::vector<decltype(work::Generation::input)> found;
    auto parsed = parse_completion_request("{" + members + "}");
    if (const auto* error = std::get_if<ApiError>(&parsed)) {
      ADD_FAILURE() << members << ": " << error->message;
      return found;
    }
    for (const auto& one : std::get<ApiRequest>(parsed).generations) found.push_back(one.input);
    return found;
  };
  using Inputs = std::vector<decltype(work::Generation::input)>;
  EXPECT_EQ(inputs(R"("prompt":"once")"), Inputs{std::string("once")});
  EXPECT_EQ(inputs(R"("prompt":["once","twice"])"),
            (Inputs{std::string("once"), std::string("twice")}));
  EXPECT_EQ(inputs(R"("prompt":[1,2])"), (Inputs{work::TokenIds{1, 2}}));
  EXPECT_EQ(inputs(R"("prompt":[[1],[2,3],"x"])"),
            (Inputs{work::TokenIds{1}, work::TokenIds{2, 3}, std::string("x")}));
  for (const char* nothing :
       {R"("model":"bee")", R"("prompt":null)", R"("prompt":"")", R"("prompt":[])"})
    EXPECT_EQ(inputs(nothing), Inputs{std::string()}) << nothing;
}

TEST(CompletionRequest, HasOpenAisDefaults) {
  const auto one = [](const char* body) {
    return std::get<ApiRequest>(parse_completion_request(body)).generations.at(0);
  };
  EXPECT_EQ(one(R"({"prompt":"a"})").max_tokens, 16);
  EXPECT_EQ(one(R"({"prompt":"a","max_tokens":-1})").max_tokens, std::nullopt);
  EXPECT_TRUE(one(R"({"prompt":"a"})").special_tokens);
  EXPECT_FALSE(one(R"({"prompt":"a","add_special_tokens":false})").special_tokens);
}

TEST(CompletionRequest, NamesTheMemberThatIsWrong) {
  struct Case {
    const char* members;
    const char* param;
  };
  for (const Case& one : {
           Case{R"("prompt":5)", "prompt"},
           Case{R"("prompt":{})", "prompt"},
           Case{R"("prompt":[-1])", "prompt"},
           Case{R"("prompt":[2147483648])", "prompt"},
           Case{R"("prompt":["a",5])", "prompt"},
           Case{R"("prompt":["a",[]])", "prompt"},
           Case{R"("model":"bee","prompt":"a","echo":true)", "echo"},
           Case{R"("model":"bee","prompt":"a","logprobs":true)", "logprobs"},
           Case{R"("model":"bee","prompt":"a","logprobs":21)", "logprobs"},
           Case{R"("model":"bee","prompt":"a","best_of":2)", "best_of"},
           Case{R"("model":"bee","prompt":"a","best_of":1,"n":2)", "best_of"},
           Case{R"("model":"bee","prompt":["a","b"],"n":65)", "n"},
           Case{R"("model":"bee","prompt":"a","suffix":"end")", "suffix"},
       }) {
    auto parsed = parse_completion_request(std::string("{") + one.members + "}");
    ASSERT_TRUE(std::holds_alternative<ApiError>(parsed)) << one.members;
    EXPECT_EQ(std::get<ApiError>(parsed).param, one.param) << one.members;
  }
}

TEST(ApiError, TurnsEveryCodeIntoAStatus) {
  struct Case {
    Code code;
    int status;
  };
  for (const Case& one :
       {Case{Code::kInvalidArgument, 400}, Case{Code::kUnsupported, 400},
        Case{Code::kNotFound, 404}, Case{Code::kConflict, 409}, Case{Code::kResourceExhausted, 429},
        Case{Code::kUnavailable, 503}, Case{Code::kDeadlineExceeded, 504},
        Case{Code::kCorrupt, 500}, Case{Code::kInternal, 500}}) {
    const ApiError error = api_error(Status(one.code, "why"));
    EXPECT_EQ(error.status, one.status);
    EXPECT_EQ(error.message, "why");
    EXPECT_TRUE(error.code.has_value() || one.status == 400);
  }
  const ApiError too_long =
      api_error(work::context_error({.context_tokens = 512, .prompt_tokens = 900})
                    .with_context("the engine for bee"));
  EXPECT_EQ(too_long.code, "context_length_exceeded");
  EXPECT_EQ(too_long.context->prompt_tokens, 900);
}

TEST(ApiError, HasAllFourMembersOnTheWire) {
  EXPECT_EQ(
      to_line(to_json(bad_request("why"))),
      R"({"error":{"message":"why","type":"invalid_request_error","param":null,"code":null}})");
}

TEST(Answers, EscapeTextAndRepairBrokenCharacters) {
  const AnswerIdentity identity{
      .id = "chatcmpl-1", .created_unix_s = 5, .model = "bee", .is_chat = true};
  EXPECT_EQ(sse_event(text_chunk(identity, 0, "a\n\n\"\xFF")),
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"
            "\"model\":\"bee\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
            "\"a\\n\\n\\\"\xEF\xBF\xBD\"},"
            "\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

}  // namespace
}  // namespace panal::api
