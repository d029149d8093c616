#include "api/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "api/api_error.h"
#include "api/detail/answering.h"
#include "api/detail/home_page.h"
#include "api/detail/metrics.h"
#include "api/openai_codec.h"
#include "base/hash.h"

namespace panal::api {
namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";

// "127.0.0.1:7070" -> "127.0.0.1"; "[::1]:7070" -> "[::1]".
std::string host_name(std::string_view host) {
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string name(host.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

bool is_allowed_host(std::string_view host, const std::vector<std::string>& allowed) {
  const std::string name = host_name(host);
  if (name == "localhost" || name == "127.0.0.1" || name == "[::1]") return true;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& one) { return one == "*" || host_name(one) == name; });
}

}  // namespace

struct Api::Parts {
  // A route's pattern is its label in the metrics.
  struct Route {
    std::string pattern;
    std::string method;
    std::function<int(const net::HttpRequest&, net::ResponseWriter&)>
        handle;  // Returns the status.
  };

  Parts(AnswerService& answer_service, ApiOptions api_options, Clock& the_clock)
      : service(answer_service), options(std::move(api_options)), clock(the_clock) {
    const auto bind = [this](int (Parts::*method)(const net::HttpRequest&, net::ResponseWriter&)) {
      return [this, method](const net::HttpRequest& request, net::ResponseWriter& writer) {
        return (this->*method)(request, writer);
      };
    };
    routes = {{"/", "GET", bind(&Parts::home)},
              {"/healthz", "GET", bind(&Parts::health)},
              {"/readyz", "GET", bind(&Parts::ready)},
              {"/metrics", "GET", bind(&Parts::show_metrics)},
              {"/v1/models", "GET", bind(&Parts::list_models)},
              {"/v1/models/{id}", "GET", bind(&Parts::show_model)},
              {"/v1/chat/completions", "POST", bind(&Parts::chat)},
              {"/v1/completions", "POST", bind(&Parts::complete)}};
  }

  static int fail(net::ResponseWriter& writer, const ApiError& error,
                  net::HttpHeaders headers = {}) {
    detail::send_error(writer, error, std::move(headers));
    return error.status;
  }

  /// Refuses what a web page of another origin could have sent through this machine's browser.
  std::optional<ApiError> foreign(const net::HttpRequest& request) const {
    const auto host = request.header("host");
    if (host && !is_allowed_host(*host, options.allowed_hosts)) {
      return ApiError{
          .status = 403,
          .message = fmt::format("This server does not answer to the name \"{}\"; use "
                                 "localhost, or allow the name when starting the server.",
                                 host->substr(0, 100)),
          .type = "invalid_request_error",
          .param = {},
          .code = "host_not_allowed"};
    }
    const auto origin = request.header("origin");
    if (!origin) return std::nullopt;
    const std::size_t slashes = origin->find("://");
    const std::string_view origin_host =
        slashes == std::string_view::npos ? *origin : origin->substr(slashes + 3);
    if (is_allowed_host(origin_host, options.allowed_hosts)) return std::nullopt;
    return ApiError{.status = 403,
                    .message = "Web pages of other origins may not use this server.",
                    .type = "invalid_request_error",
                    .param = {},
                    .code = "origin_not_allowed"};
  }

  const Route* find(std::string_view path, std::string_view method, std::string& allowed) const {
    const bool is_model = path.size() > kModelPrefix.size() && path.starts_with(kModelPrefix);
    const std::string_view pattern = is_model ? "/v1/models/{id}" : path;
    for (const Route& route : routes) {
      if (route.pattern != pattern) continue;
      allowed = route.method == "GET" ? "GET, HEAD" : route.method;
      if (route.method == method || (route.method == "GET" && method == "HEAD")) return &route;
    }
    return nullptr;
  }

  void handle(const net::HttpRequest& request, net::ResponseWriter& writer) {
    const Nanoseconds started = clock.steady_now();
    std::string label = "other";
    const int status = dispatch(request, writer, label);
    metrics.count_request(label, status, seconds(clock.steady_now() - started));
  }

  int dispatch(const net::HttpRequest& request, net::ResponseWriter& writer, std::string& label) {
    if (const auto refused = foreign(request)) return fail(writer, *refused);
    std::string_view path = request.path;
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    std::string allowed;
    const Route* route = find(path, request.method, allowed);
    if (route != nullptr) {
      label = route->pattern;
      return route->handle(request, writer);
    }
    const std::string what =
        fmt::format("{} {}", request.method.substr(0, 20), request.path.substr(0, 200));
    if (allowed.empty()) {
      return fail(writer, api_error_for_http(404, fmt::format("Unknown request URL: {}.", what)));
    }
    return fail(
        writer,
        api_error_for_http(405, fmt::format("{} is not possible here; {} is.", what, allowed)),
        {{"Allow", allowed}});
  }

  int home(const net::HttpRequest&, net::ResponseWriter& writer) {
    writer.send(200,
                {{"Content-Type", "text/html; charset=utf-8"},
                 {"Content-Security-Policy",
                  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                  "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                  "frame-ancestors 'none'"},
                 {"X-Content-Type-Options", "nosniff"},
                 {"Cache-Control", "no-cache"}},
                detail::home_page());
    return 200;
  }

  int health(const net::HttpRequest&, net::ResponseWriter& writer) {
    detail::send_json(writer, 200, Json{{"status", "ok"}, {"version", options.version}});
    return 200;
  }

  int ready(const net::HttpRequest&, net::ResponseWriter& writer) {
    const Status status = service.ready();
    if (!status.ok()) {
      return fail(writer, api_error(Status(Code::kUnavailable, "not ready: " + status.message())));
    }
    detail::send_json(writer, 200, Json{{"status", "ready"}});
    return 200;
  }

  int show_metrics(const net::HttpRequest&, net::ResponseWriter& writer) {
    writer.send(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                metrics.text());
    return 200;
  }

  int list_models(const net::HttpRequest&, net::ResponseWriter& writer) {
    detail::send_json(writer, 200, model_list_json(service.models()));
    return 200;
  }

  int show_model(const net::HttpRequest& request, net::ResponseWriter& writer) {
    const std::string id = request.path.substr(kModelPrefix.size());
    for (const ModelEntry& model : service.models()) {
      if (model.id != id) continue;
      detail::send_json(writer, 200, model_json(model));
      return 200;
    }
    return fail(writer, model_not_found(id));
  }

  int chat(const net::HttpRequest& request, net::ResponseWriter& writer) {
    return answer(parse_chat_request(request.body), "chatcmpl-", writer);
  }

  int complete(const net::HttpRequest& request, net::ResponseWriter& writer) {
    return answer(parse_completion_request(request.body), "cmpl-", writer);
  }

  int answer(std::variant<ApiRequest, ApiError> parsed, std::string_view id_prefix,
             net::ResponseWriter& writer) {
    const std::string id = std::string(id_prefix) + random_hex(12);
    const net::HttpHeaders headers = {{"x-panal-request-id", id}, {"x-request-id", id}};
    if (const auto* error = std::get_if<ApiError>(&parsed)) return fail(writer, *error, headers);
    ApiRequest& request = std::get<ApiRequest>(parsed);
    request.answer.request_id = id;
    const std::vector<ModelEntry> models = service.models();
    const bool is_known = std::any_of(models.begin(), models.end(), [&](const ModelEntry& model) {
      return model.id == request.answer.model;
    });
    if (!is_known) return fail(writer, model_not_found(request.answer.model), headers);
    const AnswerIdentity identity{.id = id,
                                  .created_unix_s = clock.unix_ms() / 1000,
                                  .model = request.answer.model,
                                  .is_chat = request.answer.is_chat};
    return detail::answer(service, request, identity, writer, metrics, clock);
  }

  AnswerService& service;
  const ApiOptions options;
  Clock& clock;
  detail::Metrics metrics;
  std::vector<Route> routes;  // Constant after construction.
};

Api::Api(AnswerService& service, ApiOptions options, Clock& clock)
    : parts_(std::make_unique<Parts>(service, std::move(options), clock)) {}
Api::~Api() = default;

void Api::handle(const net::HttpRequest& request, net::ResponseWriter& writer) {
  parts_->handle(request, writer);
}

net::HttpErrorBody Api::format_error(int status, std::string_view message,
                                     const net::HttpHeaders&) {
  return {.headers = {{"Content-Type", "application/json"}},
          .body = to_line(to_json(api_error_for_http(status, message)))};
}

Result<std::unique_ptr<ApiServer>> ApiServer::start(net::HttpServerOptions server,
                                                    ApiOptions options, AnswerService& service,
                                                    Clock& clock) {
  std::unique_ptr<ApiServer> made(new ApiServer());
  made->api_ = std::make_unique<Api>(service, std::move(options), clock);
  server.format_error = Api::format_error;
  PANAL_ASSIGN(made->server_,
               net::HttpServer::start(
                   std::move(server),
                   [api = made->api_.get()](const net::HttpRequest& request, const auto& writer) {
                     api->handle(request, *writer);
                   }));
  return made;
}

ApiServer::~ApiServer() = default;

}  // namespace panal::api
