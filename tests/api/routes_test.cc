#include "api/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "net/stream_parsers.h"
#include "tests/api/scripted_service.h"
#include "tests/net/raw_peer.h"
#include "work/context_error.h"

namespace panal::api {
namespace {

using net::ClientRequest;
using net::ClientResponse;
using net::HttpClient;
using net::HttpHeaders;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server with a scripted service behind it.
struct Hub {
  explicit Hub(ScriptedService::Script script = greet, ApiOptions options = {})
      : service(std::move(script)) {
    server = std::move(ApiServer::start({}, std::move(options), service, clock)).value();
  }
  ClientResponse call(std::string method, std::string target, std::string body = "",
                      HttpHeaders headers = {}) const {
    const auto answer = HttpClient(server->endpoint())
                            .request({.method = std::move(method),
                                      .target = std::move(target),
                                      .headers = std::move(headers),
                                      .body = std::move(body)});
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    return answer.ok() ? *answer : ClientResponse{};
  }
  Json call_json(std::string method, std::string target, std::string body = "") const {
    return parse_json(call(std::move(method), std::move(target), std::move(body)).body, "answer")
        .value();
  }

  SystemClock clock;
  ScriptedService service;
  std::unique_ptr<ApiServer> server;
};

std::string chat(const std::string& extra = "") {
  return R"({"model":"bee","messages":[{"role":"user","content":"hi"}])" + extra + "}";
}

std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  net::ServerSentEventParser parser;
  EXPECT_TRUE(parser
                  .push(body,
                        [&](const net::ServerSentEvent& event) {
                          events.push_back(event.data);
                          return true;
                        })
                  .ok());
  return events;
}

void expect_error(const ClientResponse& answer, int status, const std::string& type,
                  const std::string& code) {
  EXPECT_EQ(answer.status, status) << answer.body;
  EXPECT_EQ(answer.header("content-type"), "application/json");
  const Json body = parse_json(answer.body, "answer").value();
  ASSERT_TRUE(body.contains("error")) << answer.body;
  EXPECT_EQ(body["error"]["type"], type);
  EXPECT_EQ(body["error"]["code"], code);
  EXPECT_FALSE(body["error"]["message"].get<std::string>().empty());
  EXPECT_TRUE(body["error"].contains("param"));
}

TEST(Routes, ListAndShowModels) {
  const Hub hub;
  const Json list = hub.call_json("GET", "/v1/models");
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "bee");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["created"], 1'700'000'000);
  EXPECT_EQ(list["data"][0]["panal"]["experts"][1]["name"], "spanish");
  EXPECT_EQ(hub.call_json("GET", "/v1/models/bee")["id"], "bee");
  EXPECT_EQ(hub.call_json("GET", "/v1/models/hive%2Fqueen")["id"], "hive/queen");
  EXPECT_EQ(hub.call_json("GET", "/v1/models/hive/queen")["id"], "hive/queen");
  expect_error(hub.call("GET", "/v1/models/wasp"), 404, "invalid_request_error", "model_not_found");
}

TEST(Routes, AnswerAChatWhole) {
  const Hub hub;
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("x-panal-route"), "legal");
  const Json body = parse_json(answer.body, "answer").value();
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["id"], *answer.header("x-panal-request-id"));
  EXPECT_THAT(body["id"].get<std::string>(), StartsWith("chatcmpl-"));
  EXPECT_EQ(body["model"], "bee");
  ASSERT_EQ(body["choices"].size(), 1u);
  EXPECT_EQ(body["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "Hello, w\xC3\xB6rld");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["total_tokens"], 10);
  EXPECT_EQ(body["panal"]["parts"][0]["expert"], "legal");
  EXPECT_TRUE(body["panal"]["parts"][0]["energy"]["joules"].is_null());
  EXPECT_EQ(hub.service.requests().at(0).request_id, body["id"]);
}

TEST(Routes, StreamAChatAsOpenAiDoes) {
  const Hub hub;
  const ClientResponse answer =
      hub.call("POST", "/v1/chat/completions",
               chat(R"(,"stream":true,"stream_options":{"include_usage":true})"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(std::string(*answer.header("content-type")), StartsWith("text/event-stream"));
  EXPECT_EQ(answer.header("x-panal-route"), "legal");
  const std::vector<std::string> events = events_of(answer.body);
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events[6], "[DONE]");
  std::vector<Json> chunks;
  for (std::size_t i = 0; i < 6; ++i) chunks.push_back(parse_json(events[i], "chunk").value());
  EXPECT_EQ(chunks[0]["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  for (std::size_t i = 1; i < 4; ++i)
    text += chunks[i]["choices"][0]["delta"]["content"].get<std::string>();
  EXPECT_EQ(text, "Hello, w\xC3\xB6rld");
  EXPECT_TRUE(chunks[3]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(chunks[4]["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(chunks[4]["choices"][0]["delta"].empty());
  EXPECT_EQ(chunks[4]["panal"]["parts"][0]["expert"], "legal");
  EXPECT_TRUE(chunks[5]["choices"].empty());
  EXPECT_EQ(chunks[5]["usage"]["prompt_tokens"], 7);
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], *answer.header("x-panal-request-id"));
  }
}

TEST(Routes, AnswerAsOftenAsAskedAndCountThePromptOnce) {
  const Hub hub;
  const Json whole = hub.call_json("POST", "/v1/chat/completions", chat(R"(,"n":2)"));
  ASSERT_EQ(whole["choices"].size(), 2u);
  EXPECT_EQ(whole["choices"][1]["index"], 1);
  EXPECT_EQ(whole["choices"][1]["message"]["content"], "Hello, w\xC3\xB6rld");
  EXPECT_EQ(whole["usage"]["prompt_tokens"], 7);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 6);
  std::map<std::size_t, std::string> texts;
  std::vector<std::size_t> roles;
  const auto events =
      events_of(hub.call("POST", "/v1/chat/completions", chat(R"(,"n":2,"stream":true)")).body);
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    const Json choice = parse_json(events[i], "chunk").value()["choices"][0];
    if (choice["delta"].contains("role")) roles.push_back(choice["index"].get<std::size_t>());
    texts[choice["index"].get<std::size_t>()] += choice["delta"].value("content", "");
  }
  EXPECT_EQ(roles, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(texts[0], "Hello, w\xC3\xB6rld");
  EXPECT_EQ(texts[1], texts[0]);
}

TEST(Routes, SendUsageOnlyWhenAskedFor) {
  const Hub hub;
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)"));
  EXPECT_EQ(events_of(answer.body).size(), 6u);
  EXPECT_THAT(answer.body, ::testing::Not(HasSubstr("usage")));
}

TEST(Routes, CompleteAPromptWholeAndStreamed) {
  const Hub hub;
  const Json whole = hub.call_json("POST", "/v1/completions", R"({"model":"bee","prompt":"once"})");
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_EQ(whole["choices"][0]["text"], "Hello, w\xC3\xB6rld");
  const auto events = events_of(
      hub.call("POST", "/v1/completions", R"({"model":"bee","prompt":"once","stream":true})").body);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(parse_json(events[0], "chunk").value()["choices"][0]["text"], "Hello");
  EXPECT_EQ(parse_json(events[3], "chunk").value()["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(events[4], "[DONE]");
  EXPECT_EQ(std::get<std::string>(hub.service.requests().at(1).input), "once");
}

TEST(Routes, RefuseBadRequestsBeforeAskingTheService) {
  const Hub hub;
  expect_error(hub.call("POST", "/v1/chat/completions", chat(R"(,"temperature":9)")), 400,
               "invalid_request_error", "invalid_value");
  expect_error(hub.call("POST", "/v1/chat/completions", chat(R"(,"tools":[{"type":"function"}])")),
               400, "invalid_request_error", "unsupported_parameter");
  EXPECT_EQ(hub.call("POST", "/v1/chat/completions", "{nonsense").status, 400);
  EXPECT_EQ(hub.call("POST", "/v1/completions", "").status, 400);
  EXPECT_TRUE(hub.service.requests().empty());
}

TEST(Routes, AnswerUnknownPathsAndMethodsInOpenAisShape) {
  const Hub hub;
  expect_error(hub.call("GET", "/v1/nothing"), 404, "invalid_request_error", "unknown_url");
  const ClientResponse wrong_method = hub.call("GET", "/v1/completions");
  expect_error(wrong_method, 405, "invalid_request_error", "method_not_allowed");
  EXPECT_EQ(wrong_method.header("allow"), "POST, OPTIONS");
  EXPECT_EQ(hub.call("DELETE", "/v1/models/bee").header("allow"), "GET, HEAD, OPTIONS");
  const ClientResponse options = hub.call("OPTIONS", "/v1/models");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("allow"), "GET, HEAD, OPTIONS");
  expect_error(hub.call("OPTIONS", "/v1/nothing"), 404, "invalid_request_error", "unknown_url");
}

TEST(Routes, RefuseAHundredMegabytesInOpenAisShape) {
  const Hub hub;
  expect_error(hub.call("POST", "/v1/chat/completions", std::string(100 << 20, ' ')), 413,
               "invalid_request_error", "request_too_large");
  EXPECT_EQ(hub.call("GET", "/healthz").status, 200);
}

TEST(Routes, TurnAServiceErrorBeforeTheFirstTextIntoAStatus) {
  struct Case {
    Code code;
    int status;
    const char* type;
  };
  for (const bool is_streamed : {false, true}) {
    for (const Case& one : {Case{Code::kInvalidArgument, 400, "invalid_request_error"},
                            Case{Code::kResourceExhausted, 429, "rate_limit_error"},
                            Case{Code::kUnavailable, 503, "server_error"},
                            Case{Code::kInternal, 500, "server_error"}}) {
      const Hub hub([&](const work::Generation&, AnswerSink&, std::stop_token) {
        return Status(one.code, "no room");
      });
      const ClientResponse answer =
          hub.call("POST", "/v1/chat/completions", chat(is_streamed ? R"(,"stream":true)" : ""));
      EXPECT_EQ(answer.status, one.status);
      const Json body = parse_json(answer.body, "answer").value();
      EXPECT_EQ(body["error"]["type"], one.type);
      EXPECT_EQ(body["error"]["message"], "no room");
      EXPECT_EQ(answer.header("retry-after").has_value(), one.status == 429 || one.status == 503);
    }
  }
}

TEST(Routes, SayThatAModelIsMissing) {
  const Hub hub([](const work::Generation& request, AnswerSink&, std::stop_token) {
    return Status(Code::kNotFound, "the model \"" + request.model + "\" does not exist");
  });
  expect_error(hub.call("POST", "/v1/chat/completions",
                        R"({"model":"wasp","messages":[{"role":"user","content":"x"}]})"),
               404, "invalid_request_error", "model_not_found");
}

TEST(Routes, BlameTheRouteWhenAnExpertIsMissing) {
  const Hub hub([](const work::Generation& request, AnswerSink&, std::stop_token) {
    return Status(Code::kNotFound, "no expert " + request.expert + "; there are: legal, spanish");
  });
  const Json body =
      hub.call_json("POST", "/v1/chat/completions", chat(R"(,"panal":{"route":"poetry"})"));
  EXPECT_EQ(body["error"]["param"], "panal.route");
  EXPECT_EQ(body["error"]["code"], "expert_not_found");
}

TEST(Routes, SendAnErrorAfterTheFirstTextAsAnEventAndNoDone) {
  const Hub hub([](const work::Generation&, AnswerSink& sink, std::stop_token) {
    sink.text("half ");
    return Status(Code::kUnavailable, "the engine went away");
  });
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)"));
  const auto events = events_of(answer.body);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(parse_json(events[2], "event").value()["error"]["message"], "the engine went away");
  // Without streaming nothing has left yet, so the same error is a status.
  EXPECT_EQ(hub.call("POST", "/v1/chat/completions", chat()).status, 503);
}

TEST(Routes, SurviveAServiceThatThrows) {
  const Hub hub(
      [](const work::Generation&, AnswerSink& sink, std::stop_token) -> Result<AnswerSummary> {
        sink.text("half ");
        throw std::runtime_error("broken");
      });
  EXPECT_EQ(hub.call("POST", "/v1/chat/completions", chat()).status, 500);
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)"));
  EXPECT_THAT(events_of(answer.body).back(), HasSubstr("server_error"));
}

TEST(Routes, StreamAnEmptyAnswerWithAllItsFrames) {
  const Hub hub(
      [](const work::Generation&, AnswerSink&, std::stop_token) { return AnswerSummary{}; });
  const auto events =
      events_of(hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)")).body);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(parse_json(events[1], "chunk").value()["choices"][0]["finish_reason"], "stop");
}

// A client that leaves ends the work, streamed or not, also while no text comes.
TEST(Routes, StopTheServiceWhenTheClientLeaves) {
  for (const bool is_streamed : {false, true}) {
    std::promise<bool> was_stopped;
    std::promise<void> is_running;
    const Hub hub([&](const work::Generation&, AnswerSink& sink, std::stop_token stop) {
      sink.text("first ");
      is_running.set_value();
      was_stopped.set_value(wait_for_stop(stop));
      EXPECT_FALSE(sink.text("nobody reads this"));
      return Status(Code::kCancelled, "the client left");
    });
    std::stop_source leave;
    auto client = std::async(std::launch::async, [&] {
      return HttpClient(hub.server->endpoint())
          .request({.method = "POST",
                    .target = "/v1/chat/completions",
                    .headers = {},
                    .body = chat(is_streamed ? R"(,"stream":true)" : "")},
                   leave.get_token())
          .code();
    });
    ASSERT_EQ(is_running.get_future().wait_for(kPatience), std::future_status::ready);
    leave.request_stop();
    EXPECT_EQ(client.get(), Code::kCancelled);
    auto outcome = was_stopped.get_future();
    ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(outcome.get());
  }
}

TEST(Routes, KeepTheAnswersOfManyClientsApart) {
  const Hub hub([](const work::Generation& request, AnswerSink& sink, std::stop_token) {
    for (int i = 0; i < 20; ++i) sink.text(std::get<work::Conversation>(request.input)[0].content);
    return AnswerSummary{};
  });
  std::atomic<int> num_right = 0;
  std::vector<std::jthread> clients;
  for (int client = 0; client < 16; ++client) {
    clients.emplace_back([&, client] {
      const std::string word = "<" + std::to_string(client) + ">";
      std::string expected;
      for (int i = 0; i < 20; ++i) expected += word;
      for (int i = 0; i < 10; ++i) {
        const ClientResponse answer =
            hub.call("POST", "/v1/chat/completions",
                     R"({"model":"bee","stream":true,"messages":[{"role":"user","content":")" +
                         word + R"("}]})");
        std::string text;
        for (const std::string& event : events_of(answer.body)) {
          if (event == "[DONE]") continue;
          const Json delta = parse_json(event, "chunk").value()["choices"][0]["delta"];
          text += delta.value("content", "");
        }
        if (text == expected) ++num_right;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(num_right, 160);
}

TEST(Routes, TellHealthAndReadiness) {
  Hub hub(greet, {.allowed_hosts = {}, .version = "1.2.3"});
  EXPECT_EQ(hub.call_json("GET", "/healthz")["version"], "1.2.3");
  EXPECT_EQ(hub.call_json("GET", "/readyz")["status"], "ready");
  hub.service.ready_status = Status(Code::kUnavailable, "no model is deployed");
  const ClientResponse answer = hub.call("GET", "/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("no model is deployed"));
}

TEST(Routes, CountWhatHappened) {
  const Hub hub;
  hub.call("POST", "/v1/chat/completions", chat());
  hub.call("POST", "/v1/chat/completions", "{");
  hub.call("GET", "/secret/path");
  const std::string text = hub.call("GET", "/metrics").body;
  for (const char* line :
       {"panal_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1\n",
        "panal_http_requests_total{route=\"/v1/chat/completions\",status=\"400\"} 1\n",
        "panal_http_requests_total{route=\"other\",status=\"404\"} 1\n",
        "vllm:request_success_total{model_name=\"bee\",finished_reason=\"length\"} 1\n",
        "vllm:prompt_tokens_total{model_name=\"bee\"} 7\n",
        "vllm:generation_tokens_total{model_name=\"bee\"} 3\n",
        "vllm:time_to_first_token_seconds_count{model_name=\"bee\"} 1\n",
        "vllm:e2e_request_latency_seconds_bucket{model_name=\"bee\",le=\"+Inf\"} 1\n",
        "vllm:num_requests_running 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, ::testing::Not(HasSubstr("secret")));
}

TEST(Routes, ShowAPageThatNeedsNothingElse) {
  const Hub hub;
  const ClientResponse page = hub.call("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, StartsWith("<!doctype html>"));
  for (const char* outside : {"src=\"http", "href=\"http", "href=\"//", "@import", "url(http"}) {
    EXPECT_THAT(page.body, ::testing::Not(HasSubstr(outside)));
  }
}

// Clients join addresses and paths in their own ways, and look where other servers have things.
TEST(Routes, AreFoundWhereClientsLookForThem) {
  const Hub hub(greet, {.version = "1.2.3"});
  for (const char* path : {"/v1/chat/completions", "//chat/completions", "/chat/completions",
                           "/v1//chat//completions/", "//v1/chat/completions"}) {
    EXPECT_EQ(hub.call("POST", path, chat()).status, 200) << path;
  }
  EXPECT_EQ(hub.call("POST", "/completions", R"({"model":"bee","prompt":"once"})").status, 200);
  EXPECT_EQ(hub.call_json("GET", "/models")["data"].size(), 2u);
  EXPECT_EQ(hub.call_json("GET", "//models/bee/")["id"], "bee");
  EXPECT_EQ(hub.call_json("GET", "/models/hive/queen")["id"], "hive/queen");
  for (const char* path : {"/health", "/v1/health", "/ping"}) {
    EXPECT_EQ(hub.call_json("GET", path)["status"], "ok") << path;
    const ClientResponse head = hub.call("HEAD", path);
    EXPECT_EQ(head.status, 200) << path;
    EXPECT_EQ(head.body, "") << path;
  }
  EXPECT_EQ(hub.call_json("GET", "/version")["version"], "1.2.3");
}

// OpenAI's clients page through what "store" kept. Here nothing is, whatever was asked before.
TEST(Routes, ListNoStoredAnswers) {
  const Hub hub;
  EXPECT_EQ(hub.call("POST", "/v1/chat/completions", chat(R"(,"store":true)")).status, 200);
  for (const char* target : {"/v1/chat/completions", "/chat/completions?limit=5&order=desc"}) {
    const ClientResponse answer = hub.call("GET", target);
    EXPECT_EQ(answer.status, 200) << target;
    EXPECT_EQ(answer.body,
              R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
  }
  EXPECT_EQ(hub.call("HEAD", "/v1/chat/completions").status, 200);
  const ClientResponse wrong_method = hub.call("DELETE", "/v1/chat/completions");
  expect_error(wrong_method, 405, "invalid_request_error", "method_not_allowed");
  EXPECT_EQ(wrong_method.header("allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(hub.service.requests().size(), 1u);
}

TEST(Routes, TellEveryRequestItsId) {
  const Hub hub;
  EXPECT_THAT(std::string(*hub.call("GET", "/nowhere").header("x-request-id")), StartsWith("req-"));
  const ClientResponse answer =
      hub.call("POST", "/v1/chat/completions", chat(), {{"X-Request-Id", "mine-7"}});
  EXPECT_EQ(answer.header("x-request-id"), "mine-7");
  EXPECT_THAT(std::string(*answer.header("x-panal-request-id")), StartsWith("chatcmpl-"));
  EXPECT_EQ(hub.call("GET", "/healthz", "", {{"X-Request-Id", "mine-8"}}).header("x-request-id"),
            "mine-8");
  EXPECT_THAT(
      std::string(
          *hub.call("GET", "/healthz", "", {{"X-Request-Id", "a b"}}).header("x-request-id")),
      StartsWith("req-"));
}

TEST(Routes, LetAPageReadWhatItMayAsk) {
  const Hub hub;
  const HttpHeaders page = {{"Origin", "http://localhost:3000"}};
  const auto is_readable = [](const ClientResponse& answer) {
    return answer.header("access-control-allow-origin") == "http://localhost:3000" &&
           answer.header("vary") == "Origin";
  };
  EXPECT_TRUE(is_readable(hub.call("GET", "/v1/models", "", page)));
  EXPECT_TRUE(is_readable(hub.call("POST", "/v1/chat/completions", chat(), page)));
  EXPECT_TRUE(
      is_readable(hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)"), page)));
  EXPECT_TRUE(is_readable(hub.call("POST", "/v1/chat/completions", "{", page)));
  EXPECT_TRUE(is_readable(hub.call("GET", "/v1/nothing", "", page)));
  // Found by the server before any route was asked.
  EXPECT_TRUE(
      is_readable(hub.call("POST", "/v1/chat/completions", std::string(100 << 20, ' '), page)));
  const ClientResponse without = hub.call("GET", "/v1/models");
  EXPECT_EQ(without.header("vary"), "Origin");
  EXPECT_EQ(without.header("access-control-allow-origin"), std::nullopt);
}

TEST(Routes, AnswerABrowsersPreflight) {
  const Hub hub;
  const ClientResponse answer =
      hub.call("OPTIONS", "/v1/chat/completions", "",
               {{"Origin", "http://127.0.0.1:3000"},
                {"Access-Control-Request-Method", "POST"},
                {"Access-Control-Request-Headers", "authorization,content-type,x-stainless-os"},
                {"Access-Control-Request-Private-Network", "true"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.header("access-control-allow-origin"), "http://127.0.0.1:3000");
  EXPECT_EQ(answer.header("access-control-allow-methods"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(answer.header("access-control-allow-headers"),
            "authorization,content-type,x-stainless-os");
  EXPECT_EQ(answer.header("access-control-allow-private-network"), "true");
  const ClientResponse foreign =
      hub.call("OPTIONS", "/v1/chat/completions", "",
               {{"Origin", "http://evil.example"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(foreign.header("access-control-allow-origin"), std::nullopt);
}

// A long prompt makes clients wait: the stream says at once that the question was taken, and goes
// on saying that somebody is there.
TEST(Routes, OpenAStreamWhenTheQuestionIsAdmitted) {
  std::promise<void> ping_arrived;
  const Hub hub(
      [&](const work::Generation&, AnswerSink& sink, std::stop_token) -> Result<AnswerSummary> {
        sink.route("legal");
        sink.admitted();
        EXPECT_EQ(ping_arrived.get_future().wait_for(kPatience), std::future_status::ready);
        sink.text("Hello");
        return AnswerSummary{};
      },
      {.ping_every = std::chrono::milliseconds(1)});
  std::string body;
  bool has_pinged = false;
  const auto answer =
      HttpClient(hub.server->endpoint())
          .stream({.method = "POST",
                   .target = "/v1/chat/completions",
                   .body = chat(R"(,"stream":true)")},
                  [&](std::string_view chunk) {
                    body += chunk;
                    if (!has_pinged && body.find("\n: ping\n\n") != std::string::npos) {
                      has_pinged = true;
                      EXPECT_THAT(body, HasSubstr("\"role\":\"assistant\""));
                      ping_arrived.set_value();
                    }
                    return true;
                  });
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_TRUE(has_pinged);
  EXPECT_EQ(answer->header("x-panal-route"), "legal");
  EXPECT_EQ(events_of(body).size(), 4u);
}

TEST(Routes, SendAnErrorAfterTheAdmissionAsAnEvent) {
  const Hub hub([](const work::Generation&, AnswerSink& sink, std::stop_token) {
    sink.admitted();
    return Status(Code::kUnavailable, "the engine went away");
  });
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat(R"(,"stream":true)"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(events_of(answer.body).back(), HasSubstr("the engine went away"));
  EXPECT_EQ(hub.call("POST", "/v1/chat/completions", chat()).status, 503);
}

// Clients look for the words and read the counts.
TEST(Routes, SayBothCountsWhenThePromptIsTooLong) {
  const Hub hub([](const work::Generation&, AnswerSink&, std::stop_token) {
    return work::context_error({.context_tokens = 512, .prompt_tokens = 900});
  });
  const ClientResponse answer = hub.call("POST", "/v1/chat/completions", chat());
  EXPECT_EQ(answer.status, 400);
  const Json error = parse_json(answer.body, "answer").value()["error"];
  EXPECT_THAT(error["message"].get<std::string>(),
              HasSubstr("maximum context length is 512 tokens"));
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(error["n_ctx"], 512);
  EXPECT_EQ(error["n_prompt_tokens"], 900);
}

TEST(Routes, LetTheDefaultAnswerWhereNoModelIsNamed) {
  const Hub hub;
  const Json body = hub.call_json("POST", "/v1/chat/completions",
                                  R"({"messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(body["model"], "auto");
  EXPECT_EQ(hub.service.requests().at(0).model, "");
}

// One choice for each prompt, whichever is done first; the usage is of all.
TEST(Routes, CompleteSeveralPromptsAtOnce) {
  const Hub hub([](const work::Generation& request, AnswerSink& sink, std::stop_token) {
    sink.text("after " + std::get<std::string>(request.input));
    return AnswerSummary{.prompt_tokens = 2, .completion_tokens = 3};
  });
  const std::string prompts = R"({"model":"bee","prompt":["a","b","c"])";
  const Json whole = hub.call_json("POST", "/v1/completions", prompts + "}");
  ASSERT_EQ(whole["choices"].size(), 3u);
  EXPECT_EQ(whole["choices"][2]["text"], "after c");
  EXPECT_EQ(whole["choices"][2]["index"], 2);
  EXPECT_EQ(whole["usage"]["total_tokens"], 15);
  std::vector<std::string> texts(3);
  for (const std::string& event :
       events_of(hub.call("POST", "/v1/completions", prompts + R"(,"stream":true})").body)) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event, "chunk").value()["choices"][0];
    texts.at(choice["index"].get<std::size_t>()) += choice["text"].get<std::string>();
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"after a", "after b", "after c"}));
}

TEST(Routes, AnswerOthersWhileEveryPlaceIsTaken) {
  std::promise<void> go_on;
  auto may_go_on = go_on.get_future().share();
  std::promise<void> is_running;
  const Hub hub(
      [&](const work::Generation& request, AnswerSink& sink, std::stop_token stop) {
        is_running.set_value();
        EXPECT_EQ(may_go_on.wait_for(kPatience), std::future_status::ready);
        return greet(request, sink, stop);
      },
      {.max_answers = 1});
  auto first = std::async(std::launch::async,
                          [&] { return hub.call("POST", "/v1/chat/completions", chat()).status; });
  ASSERT_EQ(is_running.get_future().wait_for(kPatience), std::future_status::ready);
  const ClientResponse second = hub.call("POST", "/v1/chat/completions", chat());
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(second.header("retry-after"), "1");
  EXPECT_EQ(hub.call("GET", "/healthz").status, 200);
  go_on.set_value();
  EXPECT_EQ(first.get(), 200);
}

// A client that has said all it has to say waits for its answer.
TEST(Routes, AnswerAHalfClosedConnection) {
  const Hub hub;
  for (const std::string& request :
       {std::string("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
            std::to_string(chat().size()) + "\r\n\r\n" + chat(),
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
            std::to_string(chat(R"(,"stream":true)").size()) + "\r\n\r\n" +
            chat(R"(,"stream":true)")}) {
    for (int i = 0; i < 20; ++i) {
      net::RawPeer peer(hub.server->port());
      peer.send(request);
      peer.end_sending();
      const std::string answer = peer.read_all();
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 ")) << request;
      EXPECT_TRUE(request.find("stream") == std::string::npos ||
                  answer.find("[DONE]") != std::string::npos);
    }
  }
}

TEST(Routes, AdviseWhatCanBeDoneAboutAForeignName) {
  const Hub hub;
  net::RawPeer peer(hub.server->port());
  peer.send("GET /healthz HTTP/1.1\r\nHost: hive.lan\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(peer.read_all(), HasSubstr("--allow-host"));
}

// A page elsewhere that points its name at this machine must not get in, nor must one that just
// posts here.
TEST(Routes, RefuseForeignHostsAndOrigins) {
  const Hub hub(greet, {.allowed_hosts = {"hive.lan"}, .version = ""});
  const auto status_for = [&](const std::string& host) {
    net::RawPeer peer(hub.server->port());
    peer.send("GET /healthz HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    return peer.read_all().substr(9, 3);
  };
  for (const char* host :
       {"localhost", "LOCALHOST:7070", "127.0.0.1:1", "[::1]:7070", "hive.lan:80"}) {
    EXPECT_EQ(status_for(host), "200") << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example:7070", "127.0.0.1.evil.example",
                           "", "[::2]:7070", "169.254.1.1"}) {
    EXPECT_EQ(status_for(host), "403") << host;
  }
  EXPECT_EQ(hub.call("GET", "/healthz", "", {{"Origin", "http://localhost:7070"}}).status, 200);
  EXPECT_EQ(hub.call("GET", "/healthz", "", {{"Origin", "http://hive.lan"}}).status, 200);
  for (const char* origin : {"http://evil.example", "null", "http://localhost.evil.example",
                             "http://127.0.0.1.evil.example:80"}) {
    expect_error(hub.call("POST", "/v1/chat/completions", chat(), {{"Origin", origin}}), 403,
                 "invalid_request_error", "origin_not_allowed");
  }
  EXPECT_TRUE(hub.service.requests().empty());
}

}  // namespace
}  // namespace panal::api
