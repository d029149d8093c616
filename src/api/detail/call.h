// One HTTP request on its way to an answer. It gives every answer the headers that all have, and
// counts the request once, when its last byte was handed on.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "api/api_error.h"
#include "api/detail/metrics.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/http_server.h"

namespace panal::api::detail {

constexpr int kClientGone = 499;

/// Used by one thread at a time.
class Call {
 public:
  /// `headers` go into every answer. The request is the writer's. The metrics are shared with the
  /// API, which may be gone before the last answer is.
  Call(const net::HttpRequest& request, std::shared_ptr<net::ResponseWriter> writer,
       net::HttpHeaders headers, std::shared_ptr<Metrics> metrics, Clock& clock);
  /// A call that nobody answered counts as a server error, as which the client sees it.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const net::HttpRequest& request() const { return request_; }
  Metrics& metrics() const { return *metrics_; }
  Clock& clock() const { return clock_; }
  /// The route's pattern in the metrics ("/v1/models/{id}"); "other" until it is known.
  void set_route(std::string_view route) { route_ = route; }
  /// Adds a header to the answer, instead of one of that name.
  void set_header(std::string_view name, std::string value);

  // Whole answers.
  void send(int status, std::string_view content_type, std::string_view body);
  void send_json(int status, const Json& body);
  void send_empty(int status);
  void fail(const ApiError& error);

  // Server-sent events. write() and finish_stream() return false when the client left.
  /// Status 200 and the headers; from then on a silence of that length is filled with a comment.
  bool begin_stream(std::chrono::milliseconds ping_every);
  bool write(std::string_view events);
  bool finish_stream(int counted_status);
  bool has_begun() const { return writer_->has_begun(); }

  bool is_client_gone() const { return writer_->client_gone().stop_requested(); }
  std::stop_token client_gone() const { return writer_->client_gone(); }
  net::ResponseWriter& writer() const { return *writer_; }
  double elapsed_s() const { return seconds(clock_.steady_now() - started_); }

 private:
  void count(int status);

  const net::HttpRequest& request_;
  // Shared with the server's connection and whoever waits for room in it.
  const std::shared_ptr<net::ResponseWriter> writer_;
  net::HttpHeaders headers_;
  const std::shared_ptr<Metrics> metrics_;
  Clock& clock_;
  const Nanoseconds started_;
  std::string route_ = "other";
  bool is_counted_ = false;
};

}  // namespace panal::api::detail
