// The HTTP surface of a hub: OpenAI's routes, health, metrics and a page for people. Nothing here
// decides who answers; requests go to a hub::AnswerService.
//
//   GET  /                     a page: what is here, and a box to ask a question
//   GET  /v1/models, /v1/models/{id}
//   POST /v1/chat/completions, /v1/completions
//   GET  /v1/chat/completions  stored answers: an empty list, since none is stored
//   GET  /healthz, /ping       the process lives
//   GET  /readyz, /health      questions can be answered
//   GET  /version
//   GET  /metrics              Prometheus text
//
// As with other servers the paths of /v1 are also found without it, and /health within it. HEAD
// goes where GET goes, and OPTIONS everywhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "hub/answer_service.h"
#include "net/http_server.h"

namespace panal::api {

struct ApiOptions {
  /// Names accepted in the Host header besides localhost, 127.0.0.1 and [::1], without a port; "*"
  /// accepts all. Others are refused, so that a web page elsewhere cannot reach this server through
  /// a name that it points at this machine. The same goes for the Origin header; pages that are let
  /// in get the CORS headers that let them read the answers.
  std::vector<std::string> allowed_hosts = {};
  std::string version = {};        // Shown on the page, in /version and in /healthz.
  std::size_t max_answers = 4096;  // In progress at once; one more gets 503 with Retry-After.
  /// A stream that is silent for so long gets a comment, so that nobody in between gives it up.
  std::chrono::milliseconds ping_every{5'000};
};

/// Handles requests; thread-safe. service and clock must outlive it and every answer.
class Api {
 public:
  Api(hub::AnswerService& service, ApiOptions options, Clock& clock);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void handle(const net::HttpRequest& request, std::shared_ptr<net::ResponseWriter> writer);
  /// Errors that the HTTP server finds itself, in OpenAI's shape.
  net::HttpErrorBody format_error(int status, std::string_view message,
                                  const net::HttpHeaders& request_headers) const;

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

/// An HttpServer with the routes on it. Destroy it before the service.
class ApiServer {
 public:
  /// server.format_error is set here. Errors: HttpServer::start()'s.
  static Result<std::unique_ptr<ApiServer>> start(net::HttpServerOptions server, ApiOptions options,
                                                  hub::AnswerService& service, Clock& clock);
  ~ApiServer();

  std::uint16_t port() const { return server_->port(); }
  net::Endpoint endpoint() const { return server_->endpoint(); }
  net::HttpServer& server() { return *server_; }
  void stop(std::chrono::milliseconds drain) { server_->stop(drain); }

 private:
  ApiServer() = default;
  std::unique_ptr<Api> api_;  // Outlives server_, whose handlers use it.
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace panal::api
