#include "api/detail/answering.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace panal::api::detail {
namespace {

constexpr std::size_t kMaxCollectedBytes = 64 * 1024 * 1024;

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

// What both ways of answering share: who answers, when the first text came, and how it ended.
class Answering : public AnswerSink {
 public:
  Answering(ApiRequest request, AnswerIdentity identity, std::shared_ptr<Call> call)
      : request_(std::move(request)), identity_(std::move(identity)), call_(std::move(call)) {
    route(request_.answer.route.empty() ? "auto" : request_.answer.route);
    call_->metrics().answer_started();
  }

  void route(std::string_view route) final {
    call_->set_header("x-panal-route", std::string(route));
  }

  bool text(std::string_view delta) final {
    if (delta.empty()) return !call_->is_client_gone();
    if (!first_text_s_) first_text_s_ = call_->elapsed_s();
    return take(delta);
  }

  /// Once, last.
  void done(const Result<AnswerSummary>& outcome) {
    Metrics& metrics = call_->metrics();
    metrics.answer_ended();
    if (call_->is_client_gone()) return metrics.count_client_gone();
    if (!outcome.ok()) {
      const ApiError error = error_for(outcome.status(), request_.answer);
      if (error.status >= 500) {
        log_error(fmt::format("api: request {}: {}", request_.answer.request_id, error.message));
      }
      return fail(error);
    }
    metrics.count_answer({.model = identity_.model,
                          .finish_reason = outcome->finish_reason,
                          .prompt_tokens = outcome->prompt_tokens,
                          .completion_tokens = outcome->completion_tokens,
                          .first_text_s = first_text_s_,
                          .whole_s = call_->elapsed_s()});
    finish(*outcome);
  }

  const ApiRequest& request() const { return request_; }
  std::stop_token client_gone() const { return call_->client_gone(); }

 protected:
  virtual bool take(std::string_view delta) = 0;
  virtual void finish(const AnswerSummary& summary) = 0;
  virtual void fail(const ApiError& error) = 0;

  const AnswerIdentity& identity() const { return identity_; }
  Call& call() const { return *call_; }

 private:
  const ApiRequest request_;
  const AnswerIdentity identity_;
  const std::shared_ptr<Call> call_;  // Shared with the route that began it.
  std::optional<double> first_text_s_;
};

class WholeAnswer final : public Answering {
 public:
  using Answering::Answering;

 private:
  bool take(std::string_view delta) override {
    is_too_long_ = is_too_long_ || text_.size() + delta.size() > kMaxCollectedBytes;
    if (is_too_long_) return false;
    text_ += delta;
    return !call().is_client_gone();
  }
  void finish(const AnswerSummary& summary) override {
    if (is_too_long_) {
      return fail(api_error(
          Status(Code::kInternal, "the answer grew over what the server collects; stream it")));
    }
    call().send_json(200, answer_json(identity(), text_, summary));
  }
  void fail(const ApiError& error) override { call().fail(error); }

  std::string text_;
  bool is_too_long_ = false;
};

class StreamedAnswer final : public Answering {
 public:
  StreamedAnswer(ApiRequest request, AnswerIdentity identity, std::shared_ptr<Call> call,
                 std::chrono::milliseconds ping_every)
      : Answering(std::move(request), std::move(identity), std::move(call)),
        ping_every_(ping_every) {}

  void admitted() override { open(); }

 private:
  bool take(std::string_view delta) override {
    return open() && call().write(sse_event(text_chunk(identity(), delta))) &&
           call().writer().wait_for_room();
  }
  void finish(const AnswerSummary& summary) override {
    if (!open()) return;
    std::string end = sse_event(finish_chunk(identity(), summary));
    if (request().include_usage) end += sse_event(usage_chunk(identity(), summary));
    call().write(end.append(kSseDone));
    call().finish_stream(200);
  }
  void fail(const ApiError& error) override {
    if (!call().has_begun()) return call().fail(error);
    // The status is out already; clients raise on an event with an error in it.
    call().write(sse_event(to_json(error)));
    call().finish_stream(error.status);
  }
  bool open() {
    if (call().has_begun()) return true;
    if (!call().begin_stream(ping_every_)) return false;
    return !identity().is_chat || call().write(sse_event(role_chunk(identity())));
  }
  const std::chrono::milliseconds ping_every_;
};

}  // namespace

void answer(AnswerService& service, const ApiRequest& request, const AnswerIdentity& identity,
            std::shared_ptr<Call> call, const AnsweringOptions& options) {
  std::unique_ptr<Answering> answering;
  if (request.is_streamed) {
    answering =
        std::make_unique<StreamedAnswer>(request, identity, std::move(call), options.ping_every);
  } else {
    answering = std::make_unique<WholeAnswer>(request, identity, std::move(call));
  }
  // An answer that had begun must end with an error event, so exceptions stop here and not in the
  // server.
  answering->done(capture(
      [&] { return service.answer(request.answer, *answering, answering->client_gone()); }));
}

}  // namespace panal::api::detail
