#include "api/detail/answering.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace panal::api::detail {
namespace {

constexpr std::size_t kMaxCollectedBytes = 64 * 1024 * 1024;
constexpr int kClientGone = 499;

// What both ways of answering share: who answers, and when the first text came.
class Recorder : public AnswerSink {
 public:
  Recorder(const ApiRequest& request, const AnswerIdentity& identity, net::ResponseWriter& writer,
           Clock& clock)
      : identity_(identity),
        writer_(writer),
        clock_(clock),
        started_(clock.steady_now()),
        route_(request.answer.route.empty() ? "auto" : request.answer.route),
        request_id_(request.answer.request_id) {}

  void route(std::string_view route) final { route_ = route; }

  bool text(std::string_view delta) final {
    if (delta.empty()) return !writer_.client_gone().stop_requested();
    if (!first_text_s_) first_text_s_ = elapsed_s();
    return take(delta);
  }

  virtual bool finish(const AnswerSummary& summary) = 0;
  /// Returns the status that the client sees.
  virtual int fail(const ApiError& error) = 0;

  net::HttpHeaders headers() const {
    return {{"x-panal-request-id", request_id_},
            {"x-request-id", request_id_},
            {"x-panal-route", route_}};
  }
  double elapsed_s() const { return seconds(clock_.steady_now() - started_); }
  std::optional<double> first_text_s() const { return first_text_s_; }

 protected:
  virtual bool take(std::string_view delta) = 0;

  const AnswerIdentity& identity_;
  net::ResponseWriter& writer_;

 private:
  Clock& clock_;
  const Nanoseconds started_;
  std::string route_;
  const std::string request_id_;
  std::optional<double> first_text_s_;
};

class WholeAnswer final : public Recorder {
 public:
  using Recorder::Recorder;

  bool finish(const AnswerSummary& summary) override {
    if (is_too_long_) {
      fail(api_error(
          Status(Code::kInternal, "the answer grew over what the server collects; stream it")));
      return true;
    }
    send_json(writer_, 200, answer_json(identity_, text_, summary), headers());
    return true;
  }
  int fail(const ApiError& error) override {
    send_error(writer_, error, headers());
    return error.status;
  }

 private:
  bool take(std::string_view delta) override {
    is_too_long_ = is_too_long_ || text_.size() + delta.size() > kMaxCollectedBytes;
    if (is_too_long_) return false;
    text_ += delta;
    return !writer_.client_gone().stop_requested();
  }
  std::string text_;
  bool is_too_long_ = false;
};

class StreamedAnswer final : public Recorder {
 public:
  StreamedAnswer(const ApiRequest& request, const AnswerIdentity& identity,
                 net::ResponseWriter& writer, Clock& clock)
      : Recorder(request, identity, writer, clock), include_usage_(request.include_usage) {}

  bool finish(const AnswerSummary& summary) override {
    if (!open()) return false;
    std::string end = sse_event(finish_chunk(identity_, summary));
    if (include_usage_) end += sse_event(usage_chunk(identity_, summary));
    return writer_.write(end.append(kSseDone)) && writer_.end();
  }
  int fail(const ApiError& error) override {
    if (!writer_.has_begun()) {
      send_error(writer_, error, headers());
      return error.status;
    }
    // The status is out already; clients raise on an event with an error in it.
    writer_.write(sse_event(to_json(error)));
    writer_.end();
    return error.status;
  }

 private:
  bool take(std::string_view delta) override {
    return open() && writer_.write(sse_event(text_chunk(identity_, delta))) &&
           writer_.wait_for_room();
  }
  // The status and headers leave with the first text, because until then an error can still be one.
  bool open() {
    if (writer_.has_begun()) return true;
    net::HttpHeaders all = headers();
    all.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
    all.emplace_back("Cache-Control", "no-cache");
    all.emplace_back("X-Accel-Buffering", "no");
    if (!writer_.begin(200, all)) return false;
    return !identity_.is_chat || writer_.write(sse_event(role_chunk(identity_)));
  }
  const bool include_usage_;
};

ApiError error_for(const Status& status, const AnswerRequest& request) {
  ApiError error = api_error(status);
  // The model was found before the service was asked, so it is the route that is missing.
  if (status.code() == Code::kNotFound && !request.route.empty()) {
    error.param = "panal.route";
    error.code = "expert_not_found";
  }
  if (error.code == "context_length_exceeded" && !request.is_chat) error.param = "prompt";
  return error;
}

}  // namespace

void send_json(net::ResponseWriter& writer, int status, const Json& body,
               net::HttpHeaders headers) {
  headers.emplace_back("Content-Type", "application/json");
  writer.send(status, headers, to_line(body));
}

void send_error(net::ResponseWriter& writer, const ApiError& error, net::HttpHeaders headers) {
  if (error.status == 429 || error.status == 503) headers.emplace_back("Retry-After", "1");
  send_json(writer, error.status, to_json(error), std::move(headers));
}

int answer(AnswerService& service, const ApiRequest& request, const AnswerIdentity& identity,
           net::ResponseWriter& writer, Metrics& metrics, Clock& clock) {
  WholeAnswer whole(request, identity, writer, clock);
  StreamedAnswer streamed(request, identity, writer, clock);
  Recorder& recorder = request.is_streamed ? static_cast<Recorder&>(streamed) : whole;

  metrics.answer_started();
  // An answer that had begun must end with an error event, so exceptions stop here and not in the
  // server.
  const Result<AnswerSummary> outcome =
      capture([&] { return service.answer(request.answer, recorder, writer.client_gone()); });
  metrics.answer_ended();

  if (writer.client_gone().stop_requested()) {
    metrics.count_client_gone();
    // Nobody reads it; it only tells the server that this request was dealt with.
    recorder.fail({.status = kClientGone, .message = "the client left"});
    return kClientGone;
  }
  if (!outcome.ok()) {
    const ApiError error = error_for(outcome.status(), request.answer);
    if (error.status >= 500) {
      log_error(fmt::format("api: request {}: {}", request.answer.request_id, error.message));
    }
    return recorder.fail(error);
  }
  metrics.count_answer({.model = identity.model,
                        .finish_reason = outcome->finish_reason,
                        .prompt_tokens = outcome->prompt_tokens,
                        .completion_tokens = outcome->completion_tokens,
                        .first_text_s = recorder.first_text_s(),
                        .whole_s = recorder.elapsed_s()});
  return recorder.finish(*outcome) ? 200 : kClientGone;
}

}  // namespace panal::api::detail
