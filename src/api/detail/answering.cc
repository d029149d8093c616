#include "api/detail/answering.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"

namespace panal::api::detail {
namespace {

constexpr std::size_t kMaxCollectedBytes = 64 * 1024 * 1024;

// What both ways of answering share: who answers, when the first text came, and how it ended.
// Shared by the sinks of its prompts, which may speak at the same time.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(hub::AnswerService& service, ApiRequest request, AnswerIdentity identity,
         std::shared_ptr<Call> call, std::function<void()> ended)
      : service_(service),
        request_(std::move(request)),
        identity_(std::move(identity)),
        call_(std::move(call)),
        ended_(std::move(ended)),
        answers_(request_.generations.size()),
        open_(request_.generations.size()),
        failing_(call_->client_gone(), [source = cancel_]() mutable { source.request_stop(); }) {
    const std::string& expert = request_.generations.front().expert;
    call_->set_header("x-panal-route", expert.empty() ? "auto" : expert);
    call_->metrics().answer_started();
  }
  virtual ~Answer() = default;

  void start();

  void route(std::string_view route) {
    const MutexLock lock(mutex_);
    if (!call_->has_begun()) call_->set_header("x-panal-route", std::string(route));
  }
  void admitted() {
    const MutexLock lock(mutex_);
    if (!is_over_) open();
  }
  bool text(std::size_t index, std::string_view delta) {
    const MutexLock lock(mutex_);
    if (is_over_ || call_->is_client_gone()) return false;
    if (delta.empty()) return true;
    if (!first_text_s_) first_text_s_ = call_->elapsed_s();
    return take(index, delta);
  }
  void done(std::size_t index, Result<hub::AnswerSummary> outcome) {
    bool was_last = false;
    {
      const MutexLock lock(mutex_);
      if (!is_over_) {
        if (outcome.ok()) {
          answers_[index].summary = *std::move(outcome);
          finish_one(index);
        } else {
          end_with(outcome.status());
        }
      }
      was_last = --open_ == 0;
      if (was_last && !is_over_) end_well();
      if (was_last) call_->metrics().answer_ended();
    }
    if (was_last) ended_();
  }

 protected:
  virtual void open() PANAL_REQUIRES(mutex_) {}
  virtual bool take(std::size_t index, std::string_view delta) PANAL_REQUIRES(mutex_) = 0;
  virtual void finish_one(std::size_t) PANAL_REQUIRES(mutex_) {}
  virtual void finish() PANAL_REQUIRES(mutex_) = 0;
  virtual void fail(const ApiError& error) PANAL_REQUIRES(mutex_) = 0;

  const ApiRequest& request() const { return request_; }
  const AnswerIdentity& identity() const { return identity_; }
  Call& call() const { return *call_; }
  std::vector<AnsweredPrompt>& answers() PANAL_REQUIRES(mutex_) { return answers_; }

  Mutex mutex_;

 private:
  ApiError error_for(const Status& status) const;

  void end_with(const Status& status) PANAL_REQUIRES(mutex_) {
    is_over_ = true;
    cancel_.request_stop();
    if (call_->is_client_gone()) return call_->metrics().count_client_gone();
    const ApiError error = error_for(status);
    if (error.status >= 500)
      log_error(fmt::format("api: request {}: {}", identity_.id, error.message));
    fail(error);
  }

  void end_well() PANAL_REQUIRES(mutex_) {
    is_over_ = true;
    if (call_->is_client_gone()) return call_->metrics().count_client_gone();
    AnswerMeasured measured{.model = identity_.model,
                            .finish_reason = {},
                            .first_text_s = first_text_s_,
                            .whole_s = call_->elapsed_s()};
    for (const AnsweredPrompt& answer : answers_) {
      measured.finish_reason = work::finish_reason_name(answer.summary.finish_reason);
      measured.prompt_tokens += answer.summary.prompt_tokens;
      measured.completion_tokens += answer.summary.completion_tokens;
    }
    call_->metrics().count_answer(measured);
    finish();
  }

  hub::AnswerService& service_;
  const ApiRequest request_;
  const AnswerIdentity identity_;
  const std::shared_ptr<Call> call_;  // Shared with the route that began it.
  const std::function<void()> ended_;
  std::stop_source cancel_;  // When the client leaves, or one prompt of several failed.

  std::vector<AnsweredPrompt> answers_ PANAL_GUARDED_BY(mutex_);
  std::size_t open_ PANAL_GUARDED_BY(mutex_);  // Prompts without an end.
  bool is_over_ PANAL_GUARDED_BY(mutex_) = false;
  std::optional<double> first_text_s_ PANAL_GUARDED_BY(mutex_);
  std::stop_callback<std::function<void()>> failing_;
};

// One prompt's part of an answer.
class Sink final : public hub::AnswerSink {
 public:
  Sink(std::shared_ptr<Answer> answer, std::size_t index)
      : answer_(std::move(answer)), index_(index) {}
  void route(std::string_view route) override { answer_->route(route); }
  void admitted() override { answer_->admitted(); }
  bool text(std::string_view delta) override { return answer_->text(index_, delta); }
  void done(Result<hub::AnswerSummary> outcome) override {
    answer_->done(index_, std::move(outcome));
  }

 private:
  const std::shared_ptr<Answer> answer_;  // Shared by the sinks of all prompts.
  const std::size_t index_;
};

void Answer::start() {
  const auto self = shared_from_this();
  for (std::size_t i = 0; i < request_.generations.size(); ++i) {
    const auto sink = std::make_shared<Sink>(self, i);
    const Status begun = capture([&]() -> Status {
      service_.answer(request_.generations[i], sink, cancel_.get_token());
      return Status();
    });
    if (!begun.ok()) done(i, begun);
  }
}

ApiError Answer::error_for(const Status& status) const {
  ApiError error = api_error(status);
  const work::Generation& generation = request_.generations.front();
  if (status.code() == Code::kNotFound) {
    const auto models = service_.models();
    const bool is_known =
        generation.model.empty() || generation.model == "auto" ||
        std::ranges::find(models, generation.model, &hub::ModelEntry::id) != models.end();
    // Of a model that is there it is the route that is missing.
    if (!is_known) return model_not_found(generation.model);
    if (!generation.expert.empty()) {
      error.param = "panal.route";
      error.code = "expert_not_found";
    }
  }
  if (error.status == 400 && !error.param) error.param = request_.is_chat ? "messages" : "prompt";
  if (error.code == "context_length_exceeded" && !request_.is_chat) error.param = "prompt";
  return error;
}

class WholeAnswer final : public Answer {
 public:
  using Answer::Answer;

 private:
  bool take(std::size_t index, std::string_view delta) override PANAL_REQUIRES(mutex_) {
    num_bytes_ += delta.size();
    if (num_bytes_ > kMaxCollectedBytes) return false;
    answers()[index].text += delta;
    return true;
  }
  void finish() override PANAL_REQUIRES(mutex_) {
    if (num_bytes_ > kMaxCollectedBytes) {
      return fail(api_error(
          Status(Code::kInternal, "the answer grew over what the server collects; stream it")));
    }
    call().send_json(200, answer_json(identity(), answers()));
  }
  void fail(const ApiError& error) override PANAL_REQUIRES(mutex_) { call().fail(error); }

  std::size_t num_bytes_ PANAL_GUARDED_BY(mutex_) = 0;
};

class StreamedAnswer final : public Answer {
 public:
  StreamedAnswer(hub::AnswerService& service, ApiRequest request, AnswerIdentity identity,
                 std::shared_ptr<Call> call, std::function<void()> ended,
                 std::chrono::milliseconds ping_every)
      : Answer(service, std::move(request), std::move(identity), std::move(call), std::move(ended)),
        ping_every_(ping_every) {}

 private:
  void open() override PANAL_REQUIRES(mutex_) { is_open(); }
  bool take(std::size_t index, std::string_view delta) override PANAL_REQUIRES(mutex_) {
    // What the client does not take waits in the writer, which gives it up when that gets too much.
    return is_open() && call().write(sse_event(text_chunk(identity(), index, delta)));
  }
  void finish_one(std::size_t index) override PANAL_REQUIRES(mutex_) {
    if (is_open())
      call().write(sse_event(finish_chunk(identity(), index, answers()[index].summary)));
  }
  void finish() override PANAL_REQUIRES(mutex_) {
    if (!is_open()) return;
    std::string end;
    if (request().include_usage) end += sse_event(usage_chunk(identity(), answers()));
    call().write(end.append(kSseDone));
    call().finish_stream(200);
  }
  void fail(const ApiError& error) override PANAL_REQUIRES(mutex_) {
    if (!call().has_begun()) return call().fail(error);
    // The status is out already; clients raise on an event with an error in it.
    call().write(sse_event(to_json(error)));
    call().finish_stream(error.status);
  }
  bool is_open() {
    if (call().has_begun()) return true;
    if (!call().begin_stream(ping_every_)) return false;
    if (!identity().is_chat) return true;
    std::string roles;
    for (std::size_t i = 0; i < request().generations.size(); ++i)
      roles += sse_event(role_chunk(identity(), i));
    return call().write(roles);
  }
  const std::chrono::milliseconds ping_every_;
};

}  // namespace

void answer(hub::AnswerService& service, ApiRequest request, const AnswerIdentity& identity,
            std::shared_ptr<Call> call, const AnsweringOptions& options,
            std::function<void()> ended) {
  std::shared_ptr<Answer> answer;
  if (request.is_streamed) {
    answer =
        std::make_shared<StreamedAnswer>(service, std::move(request), identity, std::move(call),
                                         std::move(ended), options.ping_every);
  } else {
    answer = std::make_shared<WholeAnswer>(service, std::move(request), identity, std::move(call),
                                           std::move(ended));
  }
  answer->start();
}

}  // namespace panal::api::detail
