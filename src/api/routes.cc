#include "api/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <optional>
#include <utility>
#include <variant>

#include "api/api_error.h"
#include "api/detail/answering.h"
#include "api/detail/call.h"
#include "api/detail/home_page.h"
#include "api/detail/metrics.h"
#include "api/detail/origin_gate.h"
#include "api/openai_codec.h"
#include "base/hash.h"

namespace panal::api {
namespace {

using detail::Call;

constexpr std::string_view kModelPrefix = "/v1/models/";
constexpr std::size_t kMaxRequestIdBytes = 128;

// "//v1//models/" -> "/v1/models": clients join addresses and paths that both have a slash.
std::string with_single_slashes(std::string_view path) {
  std::string clean;
  for (const char c : path) {
    if (c != '/' || !clean.ends_with('/')) clean += c;
  }
  if (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

// Where other servers have the same resources.
std::string canonical(std::string_view path) {
  static constexpr std::array kWithoutVersion = {std::string_view("/models"),
                                                 std::string_view("/chat/completions"),
                                                 std::string_view("/completions")};
  std::string clean = with_single_slashes(path);
  if (clean == "/v1/health") return "/health";
  for (const std::string_view bare : kWithoutVersion) {
    if (clean == bare) return "/v1" + clean;
  }
  if (clean.starts_with("/models/")) return "/v1" + clean;
  return clean;
}

/// The caller's own id for this request, when it is one that can stand in a log and a header.
std::optional<std::string> request_id_of(const net::HttpRequest& request) {
  const auto id = request.header("x-request-id");
  if (!id || id->empty() || id->size() > kMaxRequestIdBytes) return std::nullopt;
  const bool is_plain =
      std::all_of(id->begin(), id->end(), [](unsigned char c) { return std::isgraph(c) != 0; });
  return is_plain ? std::optional(std::string(*id)) : std::nullopt;
}

}  // namespace

struct Api::Parts {
  using Shared = std::shared_ptr<Call>;  // By the route and the answer that it began.

  // A route's pattern is its label in the metrics.
  struct Route {
    std::string_view pattern;
    std::string_view method;
    void (Parts::*handle)(const Shared&);
  };

  Parts(hub::AnswerService& answer_service, ApiOptions api_options, Clock& the_clock)
      : service(answer_service),
        options(std::move(api_options)),
        clock(the_clock),
        gate(options.allowed_hosts) {}

  static const Route* find(std::string_view path, std::string_view method, std::string& allowed) {
    static constexpr std::array kRoutes = {
        Route{"/", "GET", &Parts::home},
        Route{"/healthz", "GET", &Parts::alive},
        Route{"/ping", "GET", &Parts::alive},
        Route{"/readyz", "GET", &Parts::ready},
        Route{"/health", "GET", &Parts::ready},
        Route{"/version", "GET", &Parts::version},
        Route{"/metrics", "GET", &Parts::show_metrics},
        Route{"/v1/models", "GET", &Parts::list_models},
        Route{"/v1/models/{id}", "GET", &Parts::show_model},
        Route{"/v1/chat/completions", "GET", &Parts::list_stored},
        Route{"/v1/chat/completions", "POST", &Parts::chat},
        Route{"/v1/completions", "POST", &Parts::complete}};
    const bool is_model = path.size() > kModelPrefix.size() && path.starts_with(kModelPrefix);
    const std::string_view pattern = is_model ? "/v1/models/{id}" : path;
    for (const Route& route : kRoutes) {
      if (route.pattern != pattern) continue;
      allowed += route.method == "GET" ? "GET, HEAD, " : "POST, ";
      if (route.method == method || (route.method == "GET" && method == "HEAD")) return &route;
    }
    if (!allowed.empty()) allowed += "OPTIONS";
    return nullptr;
  }

  void handle(const net::HttpRequest& request, std::shared_ptr<net::ResponseWriter> writer) {
    const auto call = std::make_shared<Call>(request, std::move(writer),
                                             gate.headers(request.headers), metrics, clock);
    call->set_header("x-request-id", request_id_of(request).value_or("req-" + random_hex(12)));
    if (const auto refused = gate.refusal(request.headers)) return call->fail(*refused);
    std::string allowed;
    const Route* route = find(canonical(request.path), request.method, allowed);
    if (route != nullptr) {
      call->set_route(route->pattern);
      return (this->*route->handle)(call);
    }
    const std::string what =
        fmt::format("{} {}", request.method.substr(0, 20), request.path.substr(0, 200));
    if (allowed.empty()) {
      return call->fail(api_error_for_http(404, fmt::format("Unknown request URL: {}.", what)));
    }
    call->set_header("Allow", allowed);
    if (request.method == "OPTIONS") return tell_options(*call, allowed);
    call->fail(
        api_error_for_http(405, fmt::format("{} is not possible here; {} is.", what, allowed)));
  }

  /// What a browser asks before it lets a page ask.
  static void tell_options(Call& call, std::string_view allowed) {
    const net::HttpHeaders& headers = call.request().headers;
    if (net::find_header(headers, "access-control-request-method")) {
      for (auto& [name, value] : detail::OriginGate::preflight_headers(headers, allowed)) {
        call.set_header(name, std::move(value));
      }
    }
    call.send_empty(204);
  }

  void home(const Shared& call) {
    call->set_header("Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                     "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                     "frame-ancestors 'none'");
    call->set_header("X-Content-Type-Options", "nosniff");
    call->set_header("Cache-Control", "no-cache");
    call->send(200, "text/html; charset=utf-8", detail::home_page());
  }

  void alive(const Shared& call) {
    call->send_json(200, Json{{"status", "ok"}, {"version", options.version}});
  }

  void version(const Shared& call) { call->send_json(200, Json{{"version", options.version}}); }

  void ready(const Shared& call) {
    const Status status = service.ready();
    if (!status.ok()) {
      return call->fail(api_error(Status(Code::kUnavailable, "not ready: " + status.message())));
    }
    const bool is_readyz = canonical(call->request().path) == "/readyz";
    call->send_json(200, Json{{"status", is_readyz ? "ready" : "ok"}});
  }

  void show_metrics(const Shared& call) {
    call->send(200, "text/plain; version=0.0.4; charset=utf-8", metrics->text());
  }

  void list_models(const Shared& call) { call->send_json(200, model_list_json(service.models())); }

  void show_model(const Shared& call) {
    const std::string id = canonical(call->request().path).substr(kModelPrefix.size());
    for (const hub::ModelEntry& model : service.models()) {
      if (model.id == id) return call->send_json(200, model_json(model));
    }
    call->fail(model_not_found(id));
  }

  void list_stored(const Shared& call) { call->send_json(200, stored_answers_json()); }

  void chat(const Shared& call) {
    answer(parse_chat_request(call->request().body), "chatcmpl-", call);
  }

  void complete(const Shared& call) {
    answer(parse_completion_request(call->request().body), "cmpl-", call);
  }

  void answer(std::variant<ApiRequest, ApiError> parsed, std::string_view id_prefix,
              const Shared& call) {
    const std::string id = std::string(id_prefix) + random_hex(12);
    call->set_header("x-panal-request-id", id);
    if (!request_id_of(call->request())) call->set_header("x-request-id", id);
    if (const auto* error = std::get_if<ApiError>(&parsed)) return call->fail(*error);
    ApiRequest& request = std::get<ApiRequest>(parsed);
    for (work::Generation& generation : request.generations) generation.request_id = id;
    if (num_answers->fetch_add(1) >= options.max_answers) {
      --*num_answers;
      return call->fail(api_error(Status(Code::kUnavailable, "too many questions at once")));
    }
    const std::string& model = request.generations.front().model;
    const AnswerIdentity identity{.id = id,
                                  .created_unix_s = clock.unix_ms() / 1000,
                                  .model = model.empty() ? "auto" : model,
                                  .is_chat = request.is_chat,
                                  .choices_per_prompt = request.choices_per_prompt,
                                  .has_logprobs = request.generations.front().logprobs.has_value()};
    detail::answer(service, std::move(request), identity, call, {.ping_every = options.ping_every},
                   [counter = num_answers] { --*counter; });
  }

  hub::AnswerService& service;
  const ApiOptions options;
  Clock& clock;
  const detail::OriginGate gate;
  // Shared with the calls, of which the last may end after the API.
  const std::shared_ptr<detail::Metrics> metrics = std::make_shared<detail::Metrics>();
  // In progress. Shared with the answers, of which the last may end after the API.
  const std::shared_ptr<std::atomic<std::size_t>> num_answers =
      std::make_shared<std::atomic<std::size_t>>(0);
};

Api::Api(hub::AnswerService& service, ApiOptions options, Clock& clock)
    : parts_(std::make_unique<Parts>(service, std::move(options), clock)) {}
Api::~Api() = default;

void Api::handle(const net::HttpRequest& request, std::shared_ptr<net::ResponseWriter> writer) {
  parts_->handle(request, std::move(writer));
}

net::HttpErrorBody Api::format_error(int status, std::string_view message,
                                     const net::HttpHeaders& request_headers) const {
  net::HttpErrorBody error{.headers = parts_->gate.headers(request_headers),
                           .body = to_line(to_json(api_error_for_http(status, message)))};
  error.headers.emplace_back("Content-Type", "application/json");
  return error;
}

Result<std::unique_ptr<ApiServer>> ApiServer::start(net::HttpServerOptions server,
                                                    ApiOptions options, hub::AnswerService& service,
                                                    Clock& clock) {
  std::unique_ptr<ApiServer> made(new ApiServer());
  made->api_ = std::make_unique<Api>(service, std::move(options), clock);
  Api* api = made->api_.get();
  server.format_error = [api](int status, std::string_view message,
                              const net::HttpHeaders& request_headers) {
    return api->format_error(status, message, request_headers);
  };
  PANAL_ASSIGN(made->server_, net::HttpServer::start(
                                  std::move(server),
                                  [api](const net::HttpRequest& request, const auto& writer) {
                                    api->handle(request, writer);
                                  },
                                  clock));
  return made;
}

ApiServer::~ApiServer() = default;

}  // namespace panal::api
