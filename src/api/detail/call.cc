#include "api/detail/call.h"

#include <utility>

namespace panal::api::detail {

Call::Call(const net::HttpRequest& request, std::shared_ptr<net::ResponseWriter> writer,
           net::HttpHeaders headers, std::shared_ptr<Metrics> metrics, Clock& clock)
    : request_(request),
      writer_(std::move(writer)),
      headers_(std::move(headers)),
      metrics_(std::move(metrics)),
      clock_(clock),
      started_(clock.steady_now()) {}

Call::~Call() { count(is_client_gone() ? kClientGone : 500); }

void Call::count(int status) {
  if (std::exchange(is_counted_, true)) return;
  metrics_->count_request(route_, status, elapsed_s());
}

void Call::set_header(std::string_view name, std::string value) {
  for (auto& [known, old] : headers_) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  headers_.emplace_back(name, std::move(value));
}

// Counted first: who has the answer may ask for the metrics next.
void Call::send(int status, std::string_view content_type, std::string_view body) {
  set_header("Content-Type", std::string(content_type));
  count(status);
  writer_->send(status, headers_, body);
}

void Call::send_json(int status, const Json& body) {
  send(status, "application/json", to_line(body));
}

void Call::send_empty(int status) {
  count(status);
  writer_->send(status, headers_, "");
}

void Call::fail(const ApiError& error) {
  if (error.status == 429 || error.status == 503) set_header("Retry-After", "1");
  send_json(error.status, to_json(error));
}

bool Call::begin_stream(std::chrono::milliseconds ping_every) {
  set_header("Content-Type", "text/event-stream; charset=utf-8");
  set_header("Cache-Control", "no-cache");
  set_header("X-Accel-Buffering", "no");
  if (!writer_->begin(200, headers_)) return false;
  writer_->fill_silence(ping_every, ": ping\n\n");
  return true;
}

bool Call::write(std::string_view events) { return writer_->write(events); }

bool Call::finish_stream(int counted_status) {
  count(counted_status);
  return writer_->end();
}

}  // namespace panal::api::detail
