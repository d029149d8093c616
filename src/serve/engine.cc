// The loop: admit, plan one step, run it, hand out its tokens. Everything about running requests
// belongs to the loop's thread; other threads only see the waiting queue and the published
// statistics, under one mutex.
#include "serve/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <thread>

#include "base/mutex.h"
#include "serve/detail/answer_in_progress.h"
#include "work/context_error.h"

namespace panal::serve {
namespace {

using detail::AnswerInProgress;
using Answers = std::vector<std::unique_ptr<AnswerInProgress>>;

constexpr std::int64_t kMaxLogprobs = 20;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 1024;

EngineOptions with_bounds(EngineOptions options) {
  options.max_batch = std::max<std::int64_t>(1, options.max_batch);
  options.max_waiting = std::max<std::int64_t>(1, options.max_waiting);
  options.prefill_tokens_per_step = std::max<std::int64_t>(1, options.prefill_tokens_per_step);
  return options;
}

std::string adapter_of(const work::Generation& request) {
  return request.expert == "core" ? "" : request.expert;
}

Status invalid(std::string message) { return Status(Code::kInvalidArgument, std::move(message)); }

}  // namespace

class Engine::Loop {
 public:
  Loop(model::TokenModel& model, TextDecoderFactory decoders, EngineOptions options, Clock& clock)
      : model_(model),
        decoders_(std::move(decoders)),
        options_(with_bounds(std::move(options))),
        clock_(clock),
        vocabulary_size_(model.vocabulary_size()),
        context_length_(model.context_length()),
        adapters_(model.adapters()),
        last_sample_(Status(Code::kUnavailable, "not read yet")) {
    if (options_.meter != nullptr) {
      last_sample_ = options_.meter->sample();
      stats_.energy_method = options_.meter->method();
      stats_.energy_is_complete = last_sample_.ok();
    }
    thread_ = std::thread([this] { run(); });
  }

  ~Loop() { stop(Nanoseconds(0)); }

  Status submit(TokenizedGeneration request, RequestCallbacks callbacks, std::stop_token cancel);
  void stop(Nanoseconds drain);
  EngineStats stats() const {
    const MutexLock lock(mutex_);
    return stats_;
  }

 private:
  Status check(const TokenizedGeneration& request) const;

  // Of the loop's thread.
  void run();
  bool wait_for_work();
  Answers take_ended_waiting(Nanoseconds now);
  void admit();
  bool admit_one(std::unique_ptr<AnswerInProgress> answer);
  void end_cancelled_and_late();
  void end_all(const Status& status);
  void step();
  std::vector<Status> forward(std::span<const model::SequenceStep> steps);
  void attribute_energy(std::span<const model::SequenceStep> steps,
                        std::span<AnswerInProgress* const> owners);
  void deliver(std::size_t row, AnswerInProgress& answer, std::size_t num_tokens);
  std::optional<double> joules_since_last_sample();
  void finish(AnswerInProgress& answer, work::FinishReason reason);
  void fail(AnswerInProgress& answer, const Status& status);
  void leave(const AnswerInProgress& answer, bool failed);

  model::TokenModel& model_;
  const TextDecoderFactory decoders_;
  const EngineOptions options_;
  Clock& clock_;
  const std::int32_t vocabulary_size_;
  const std::int64_t context_length_;
  const std::vector<std::string> adapters_;

  // The loop's thread only.
  Answers running_;  // In the order of admission.
  std::vector<float> logits_;
  Result<energy::MeterSample> last_sample_;

  mutable Mutex mutex_;
  ConditionVariable work_;
  std::deque<std::unique_ptr<AnswerInProgress>> waiting_ PANAL_GUARDED_BY(mutex_);
  EngineStats stats_ PANAL_GUARDED_BY(mutex_);
  bool is_closed_ PANAL_GUARDED_BY(mutex_) = false;
  Nanoseconds drain_until_ PANAL_GUARDED_BY(mutex_){0};

  Mutex join_mutex_;
  std::thread thread_ PANAL_GUARDED_BY(join_mutex_);
};

Status Engine::Loop::check(const TokenizedGeneration& request) const {
  if (request.prompt.empty()) return invalid("the prompt must have at least one token, found none");
  const auto prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  if (prompt_tokens >= context_length_) {
    return work::context_error({.context_tokens = context_length_, .prompt_tokens = prompt_tokens});
  }
  for (const std::int32_t token : request.prompt) {
    if (token < 0 || token >= vocabulary_size_) {
      return invalid(
          fmt::format("prompt tokens must be from 0 to {}, found {}", vocabulary_size_ - 1, token));
    }
  }
  const work::Generation& wanted = request.request;
  if (wanted.max_tokens.value_or(1) < 1) {
    return invalid(fmt::format("max_tokens must be 1 or more, found {}", *wanted.max_tokens));
  }
  if (wanted.logprobs.value_or(0) < 0 || wanted.logprobs.value_or(0) > kMaxLogprobs) {
    return invalid(
        fmt::format("logprobs must be from 0 to {}, found {}", kMaxLogprobs, *wanted.logprobs));
  }
  if (wanted.min_tokens < 0 || wanted.min_tokens > wanted.max_tokens.value_or(context_length_)) {
    return invalid(fmt::format("min_tokens must be from 0 to max_tokens, {}, found {}",
                               wanted.max_tokens.value_or(context_length_), wanted.min_tokens));
  }
  PANAL_TRY(check_sampling(wanted.sampling));
  for (const work::TokenBias& biased : wanted.sampling.logit_bias) {
    if (biased.token < 0 || biased.token >= vocabulary_size_) {
      return invalid(fmt::format("tokens of logit_bias must be from 0 to {}, found {}",
                                 vocabulary_size_ - 1, biased.token));
    }
  }
  if (wanted.stop.size() > kMaxStops) {
    return invalid(fmt::format("at most {} stop strings, found {}", kMaxStops, wanted.stop.size()));
  }
  for (const std::string& stop : wanted.stop) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return invalid(fmt::format("a stop string must have 1 to {} bytes, found {}", kMaxStopBytes,
                                 stop.size()));
    }
  }
  const std::string adapter = adapter_of(wanted);
  if (!adapter.empty() && std::ranges::find(adapters_, adapter) == adapters_.end()) {
    return Status(Code::kNotFound, fmt::format("no adapter \"{:.100}\"; loaded: {}", adapter,
                                               fmt::join(adapters_, ", ")));
  }
  return {};
}

Status Engine::Loop::submit(TokenizedGeneration request, RequestCallbacks callbacks,
                            std::stop_token cancel) {
  if (!callbacks.on_done) return invalid("a request needs an on_done callback");
  PANAL_TRY(check(request));
  const auto room = context_length_ - static_cast<std::int64_t>(request.prompt.size());
  work::Generation& wanted = request.request;
  wanted.max_tokens = std::min(wanted.max_tokens.value_or(room), room);
  wanted.sampling = with_defaults(wanted.sampling, options_.sampling);
  auto answer = std::make_unique<AnswerInProgress>(std::move(request), std::move(callbacks),
                                                   std::move(cancel), clock_.steady_now());
  const MutexLock lock(mutex_);
  if (is_closed_) return Status(Code::kUnavailable, "the engine is stopping");
  if (static_cast<std::int64_t>(waiting_.size()) >= options_.max_waiting) {
    return Status(Code::kResourceExhausted,
                  fmt::format("{} requests are waiting already, the most this engine lets wait",
                              waiting_.size()));
  }
  waiting_.push_back(std::move(answer));
  stats_.waiting = static_cast<std::int64_t>(waiting_.size());
  work_.notify_one();
  return {};
}

void Engine::Loop::stop(Nanoseconds drain) {
  {
    const MutexLock lock(mutex_);
    const Nanoseconds until = clock_.steady_now() + drain;
    drain_until_ = is_closed_ ? std::min(drain_until_, until) : until;
    is_closed_ = true;
    work_.notify_one();
  }
  const MutexLock lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void Engine::Loop::run() {
  while (wait_for_work()) {
    end_cancelled_and_late();
    admit();
    step();
  }
  // What was used since the last step, and while nobody asked for anything, belongs to no request.
  const auto joules = joules_since_last_sample();
  const MutexLock lock(mutex_);
  stats_.idle_joules += joules.value_or(0);
}

/// False when the engine is closed and nothing is left to do.
bool Engine::Loop::wait_for_work() {
  const MutexLock lock(mutex_);
  if (running_.empty() && waiting_.empty() && !is_closed_) {
    while (waiting_.empty() && !is_closed_) work_.wait(mutex_);
    std::optional<double> joules;
    {
      const MutexUnlock unlocked(mutex_);
      joules = joules_since_last_sample();
    }
    stats_.idle_joules += joules.value_or(0);
  }
  if (!is_closed_) return true;
  if (clock_.steady_now() >= drain_until_) {
    const MutexUnlock unlocked(mutex_);
    end_all(Status(Code::kUnavailable, "the engine stopped before the answer was done"));
  }
  return !running_.empty() || !waiting_.empty();
}

Answers Engine::Loop::take_ended_waiting(Nanoseconds now) {
  Answers ended;
  const MutexLock lock(mutex_);
  for (auto& answer : waiting_) {
    if (answer->is_cancelled() || answer->is_late(now)) ended.push_back(std::move(answer));
  }
  std::erase(waiting_, nullptr);
  stats_.waiting = static_cast<std::int64_t>(waiting_.size());
  return ended;
}

void Engine::Loop::end_cancelled_and_late() {
  const Nanoseconds now = clock_.steady_now();
  const auto end = [&](AnswerInProgress& answer) {
    if (answer.is_cancelled()) return finish(answer, work::FinishReason::kCancelled);
    fail(answer,
         Status(Code::kDeadlineExceeded, fmt::format("the answer was not done within {:g} s",
                                                     seconds(*answer.request().time_limit))));
  };
  for (auto& answer : running_) {
    if (!answer->is_cancelled() && !answer->is_late(now)) continue;
    end(*answer);
    answer.reset();
  }
  std::erase(running_, nullptr);
  for (auto& answer : take_ended_waiting(now)) end(*answer);
}

void Engine::Loop::end_all(const Status& status) {
  std::deque<std::unique_ptr<AnswerInProgress>> waiting;
  {
    const MutexLock lock(mutex_);
    waiting.swap(waiting_);
    stats_.waiting = 0;
  }
  for (auto& answer : running_) fail(*answer, status);
  running_.clear();
  for (auto& answer : waiting) fail(*answer, status);
}

void Engine::Loop::admit() {
  while (static_cast<std::int64_t>(running_.size()) < options_.max_batch) {
    std::unique_ptr<AnswerInProgress> next;
    {
      const MutexLock lock(mutex_);
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      stats_.waiting = static_cast<std::int64_t>(waiting_.size());
    }
    if (!admit_one(std::move(next))) return;
  }
}

/// False when the model is full: the request went back to the head of the queue.
bool Engine::Loop::admit_one(std::unique_ptr<AnswerInProgress> answer) {
  const TokenizedGeneration& request = answer->request();
  const auto max_length =
      static_cast<std::int64_t>(request.prompt.size()) + *request.request.max_tokens;
  const Result<std::int64_t> sequence =
      model_.open_sequence(adapter_of(request.request), max_length);
  if (sequence.ok()) {
    answer->admit(*sequence, decoders_(), clock_.steady_now());
    running_.push_back(std::move(answer));
    const MutexLock lock(mutex_);
    stats_.running = static_cast<std::int64_t>(running_.size());
    return true;
  }
  if (sequence.code() == Code::kResourceExhausted && !running_.empty()) {
    const MutexLock lock(mutex_);
    waiting_.push_front(std::move(answer));
    stats_.waiting = static_cast<std::int64_t>(waiting_.size());
    return false;
  }
  fail(*answer, sequence.status());
  return true;
}

void Engine::Loop::step() {
  if (running_.empty()) return;
  std::vector<model::SequenceStep> steps;
  std::vector<AnswerInProgress*> owners;
  auto budget = static_cast<std::size_t>(options_.prefill_tokens_per_step);
  for (const auto& answer : running_) {
    const bool reads = answer->is_reading_prompt();
    if (reads && budget == 0) continue;
    const auto tokens = answer->next_tokens(budget);
    if (reads) budget -= tokens.size();
    steps.push_back({.sequence = answer->sequence(), .tokens = tokens});
    owners.push_back(answer.get());
  }
  const std::vector<Status> statuses = forward(steps);
  attribute_energy(steps, owners);
  for (std::size_t row = 0; row < steps.size(); ++row) {
    if (statuses[row].ok()) {
      deliver(row, *owners[row], steps[row].tokens.size());
    } else {
      fail(*owners[row], statuses[row]);
    }
  }
  std::erase_if(running_, [](const auto& answer) { return answer->has_ended(); });
  const MutexLock lock(mutex_);
  ++stats_.steps;
}

/// One status per step. When the model refuses the batch, every step is tried alone, so that only
/// the guilty fail.
std::vector<Status> Engine::Loop::forward(std::span<const model::SequenceStep> steps) {
  const auto width = static_cast<std::size_t>(vocabulary_size_);
  logits_.resize(steps.size() * width);
  const Status status = model_.forward(steps, logits_);
  std::vector<Status> statuses(steps.size(), status);
  if (status.ok() || steps.size() == 1) return statuses;
  for (std::size_t row = 0; row < steps.size(); ++row) {
    statuses[row] =
        model_.forward(steps.subspan(row, 1), std::span(logits_).subspan(row * width, width));
  }
  return statuses;
}

std::optional<double> Engine::Loop::joules_since_last_sample() {
  if (options_.meter == nullptr) return std::nullopt;
  auto now = options_.meter->sample();
  const auto joules = energy::joules_between(last_sample_, now);
  last_sample_ = std::move(now);
  if (!joules) {
    const MutexLock lock(mutex_);
    stats_.energy_is_complete = false;
  }
  return joules;
}

void Engine::Loop::attribute_energy(std::span<const model::SequenceStep> steps,
                                    std::span<AnswerInProgress* const> owners) {
  const auto joules = joules_since_last_sample();
  double num_tokens = 0;
  for (const auto& step : steps) num_tokens += static_cast<double>(step.tokens.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double share = static_cast<double>(steps[i].tokens.size()) / num_tokens;
    owners[i]->add_joules(joules ? std::optional(*joules * share) : std::nullopt);
  }
  const MutexLock lock(mutex_);
  stats_.request_joules += joules.value_or(0);
}

void Engine::Loop::deliver(std::size_t row, AnswerInProgress& answer, std::size_t num_tokens) {
  if (answer.is_reading_prompt()) {
    answer.mark_read(num_tokens);
    const MutexLock lock(mutex_);
    stats_.prompt_tokens += static_cast<std::int64_t>(num_tokens);
  }
  if (answer.is_reading_prompt()) return;
  const auto width = static_cast<std::size_t>(vocabulary_size_);
  const auto row_logits = std::span(logits_).subspan(row * width, width);
  const auto reason = answer.take_token(row_logits, options_.stop_ids, clock_.steady_now());
  if (!reason.ok()) return fail(answer, reason.status());
  if (*reason) finish(answer, **reason);
}

void Engine::Loop::leave(const AnswerInProgress& answer, bool failed) {
  if (answer.sequence() >= 0) model_.close_sequence(answer.sequence());
  const MutexLock lock(mutex_);
  if (answer.sequence() >= 0) --stats_.running;
  stats_.completion_tokens += answer.num_sampled();
  ++(failed ? stats_.failed : stats_.finished);
}

void Engine::Loop::finish(AnswerInProgress& answer, work::FinishReason reason) {
  leave(answer, false);
  answer.finish(reason, options_.meter, clock_.steady_now());
}

void Engine::Loop::fail(AnswerInProgress& answer, const Status& status) {
  leave(answer, true);
  answer.fail(status);
}

Engine::Engine(model::TokenModel& model, TextDecoderFactory decoders, EngineOptions options,
               Clock& clock)
    : loop_(std::make_unique<Loop>(model, std::move(decoders), std::move(options), clock)) {}

Engine::~Engine() = default;

Status Engine::submit(TokenizedGeneration request, RequestCallbacks callbacks,
                      std::stop_token cancel) {
  return loop_->submit(std::move(request), std::move(callbacks), std::move(cancel));
}

EngineStats Engine::stats() const { return loop_->stats(); }

void Engine::stop(Nanoseconds drain) { loop_->stop(drain); }

Result<work::GenerationResult> Engine::generate(
    TokenizedGeneration request, const std::function<void(std::string_view)>& on_text,
    std::stop_token cancel) {
  struct Mailbox {
    Mutex mutex;
    ConditionVariable filled;
    std::string text PANAL_GUARDED_BY(mutex);
    std::optional<Result<work::GenerationResult>> done PANAL_GUARDED_BY(mutex);
  };
  // Owners: this call and the two callbacks, which outlive it when on_text throws.
  const auto mailbox = std::make_shared<Mailbox>();
  std::stop_source leaving;
  const std::stop_callback forward_cancel(cancel, [leaving]() mutable { leaving.request_stop(); });
  RequestCallbacks callbacks;
  callbacks.on_text = [mailbox, wants_text = bool(on_text)](std::string_view text) {
    if (!wants_text) return;
    const MutexLock lock(mailbox->mutex);
    mailbox->text += text;
    mailbox->filled.notify_one();
  };
  callbacks.on_done = [mailbox](Result<work::GenerationResult> result) {
    const MutexLock lock(mailbox->mutex);
    mailbox->done = std::move(result);
    mailbox->filled.notify_one();
  };
  PANAL_TRY(submit(std::move(request), std::move(callbacks), leaving.get_token()));
  // When on_text throws, nobody waits for the answer any more.
  struct Leave {
    std::stop_source& source;
    ~Leave() { source.request_stop(); }
  } const leave{leaving};
  const MutexLock lock(mailbox->mutex);
  while (true) {
    while (mailbox->text.empty() && !mailbox->done) mailbox->filled.wait(mailbox->mutex);
    const std::string text = std::exchange(mailbox->text, {});
    if (text.empty()) return std::move(*mailbox->done);
    const MutexUnlock unlocked(mailbox->mutex);
    on_text(text);
  }
}

}  // namespace panal::serve
