#include "orchestrator/detail/answer_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "orchestrator/detail/request_text.h"
#include "orchestrator/detail/router.h"

namespace panal::orchestrator::detail {
namespace {

constexpr std::size_t kExcerptBytes = 120;
constexpr std::size_t kHeadingBytes = 100;

double milliseconds(Nanoseconds duration) { return seconds(duration) * 1e3; }

std::optional<std::string> unless_empty(std::string text) {
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

work::EnergyReading energy_of_failed_call(std::string_view expert) {
  return {.joules = {},
          .method = "unknown",
          .detail = fmt::format("the failed call of {} reported nothing", expert)};
}

/// May the core try again? Not when the request is at fault or nobody wants the answer any more.
bool is_worth_a_fallback(const Status& status) {
  return status.code() != Code::kCancelled && status.code() != Code::kInvalidArgument &&
         status.code() != Code::kDeadlineExceeded;
}

}  // namespace

AnswerRun::AnswerRun(Parts parts, Clock& clock, std::vector<PlannedPart> plan)
    : parts_(std::move(parts)),
      clock_(clock),
      begin_(clock.steady_now()),
      busy_(clock),
      turns_(plan.size(), {.open = [this](std::size_t i) { return heading(i); },
                           .close = [this](std::size_t i) { return apology(i); },
                           .deliver = [this](std::string_view text) { return deliver(text); },
                           .finished = [this] { finish(); }}) {
  if (!is_panel()) {
    for (PlannedPart& part : plan) tasks_.push_back({.plan = std::move(part)});
    return;
  }
  for (work::RouteScore& score : panel_candidates(plan.front().text, *parts_.endpoint)) {
    Task task{.plan = plan.front()};
    task.plan.expert = score.expert;
    task.plan.confidence = score.score;
    tasks_.push_back(std::move(task));
  }
}

bool AnswerRun::is_panel() const {
  return parts_.request.panel.value_or(false) && parts_.request.expert.empty();
}

void AnswerRun::start(std::stop_token cancel) {
  passes_cancel_on_.emplace(cancel, [source = cancel_]() mutable { source.request_stop(); });
  const auto most = std::max<std::int64_t>(1, parts_.options.max_parallel_calls);
  for (std::int64_t i = 0; i < most; ++i) start_next();
}

void AnswerRun::start_next() {
  std::size_t task;
  std::string expert;
  {
    const MutexLock lock(mutex_);
    if (next_task_ == tasks_.size()) return;
    task = next_task_++;
    expert = tasks_[task].plan.expert;
  }
  // Parts whose turn comes after a cancel are not started.
  if (cancel_.stop_requested()) return end_task(task);
  call(task, expert);
}

void AnswerRun::call(std::size_t task, const std::string& expert) {
  work::Generation request = parts_.request;
  request.expert = expert;
  {
    const MutexLock lock(mutex_);
    auto& messages = std::get<work::Conversation>(request.input);
    if (!messages.empty() && messages.back().role == "user") {
      messages.back().content = tasks_[task].plan.prompt;
    }
  }
  busy_.begin();
  // The callbacks keep this run alive.
  const auto self = shared_from_this();
  ExpertCaller::Callbacks callbacks;
  callbacks.on_admitted = [self] {
    {
      const MutexLock lock(self->mutex_);
      if (std::exchange(self->was_admitted_, true)) return;
    }
    self->parts_.sink->on_admitted();
  };
  callbacks.on_text = [self, task](std::string_view text) { self->on_text(task, text); };
  callbacks.on_done = [self, task, expert](Outcome outcome) {
    self->busy_.end();
    self->on_outcome(task, expert, std::move(outcome));
  };
  const Status begun = capture([&]() -> Status {
    parts_.caller->start(std::move(request), callbacks, cancel_.get_token());
    return Status();
  });
  if (!begun.ok()) callbacks.on_done(begun);
}

void AnswerRun::on_text(std::size_t task, std::string_view text) {
  // A panel's text is known when all candidates have answered.
  if (!is_panel()) turns_.add(task, text);
}

void AnswerRun::on_outcome(std::size_t task, const std::string& expert, Outcome outcome) {
  if (outcome.ok() && outcome->finish_reason == work::FinishReason::kCancelled) {
    outcome = Status(Code::kCancelled, "the request was cancelled");
  }
  if (!outcome.ok() && fall_back(task, expert, outcome.status())) return;
  {
    const MutexLock lock(mutex_);
    Task& ended = tasks_[task];
    ended.answered_by = expert;
    ended.energies.push_back(outcome.ok() ? outcome->energy : energy_of_failed_call(expert));
    ended.outcome = std::move(outcome);
  }
  end_task(task);
}

// The core takes over, once, while nobody has seen a word of the expert's.
bool AnswerRun::fall_back(std::size_t task, const std::string& expert, const Status& status) {
  if (expert == kCore || is_panel() || !is_worth_a_fallback(status) || cancel_.stop_requested() ||
      !turns_.take_back(task)) {
    return false;
  }
  {
    const MutexLock lock(mutex_);
    tasks_[task].fallback = fmt::format("{} failed: {}", expert, status.message());
    tasks_[task].energies.push_back(energy_of_failed_call(expert));
  }
  call(task, std::string(kCore));
  return true;
}

void AnswerRun::end_task(std::size_t task) {
  bool is_last = false;
  {
    const MutexLock lock(mutex_);
    is_last = ++num_ended_ == tasks_.size();
  }
  if (!is_panel()) {
    turns_.close(task);
  } else if (is_last) {
    finish_panel();
  }
  start_next();
}

std::string AnswerRun::heading(std::size_t task) {
  const MutexLock lock(mutex_);
  if (is_panel() || tasks_.size() == 1 || cancel_.stop_requested()) return {};
  return fmt::format("{}**{}. {}**\n\n", task == 0 ? "" : "\n\n", task + 1,
                     excerpt(tasks_[task].plan.text, kHeadingBytes));
}

std::string AnswerRun::apology(std::size_t task) {
  const MutexLock lock(mutex_);
  if (is_panel() || tasks_.size() == 1 || tasks_[task].outcome.ok() || cancel_.stop_requested()) {
    return {};
  }
  return fmt::format("[This part could not be answered: {}]",
                     tasks_[task].outcome.status().message());
}

bool AnswerRun::deliver(std::string_view text) {
  if (cancel_.stop_requested()) return false;
  text_ += text;
  if (parts_.sink->on_text(text)) return true;
  cancel_.request_stop();
  return false;
}

void AnswerRun::finish() {
  std::vector<Task> tasks;
  {
    const MutexLock lock(mutex_);
    tasks = tasks_;
  }
  if (cancel_.stop_requested()) {
    return parts_.sink->on_done(Status(Code::kCancelled, "the request was cancelled"));
  }
  if (std::ranges::none_of(tasks, [](const Task& task) { return task.outcome.ok(); })) {
    return parts_.sink->on_done(tasks.front().outcome.status());
  }
  parts_.sink->on_done(sum_up(tasks));
}

/// The likeliest expert wins, unless the others agree with each other and not with it: routing plus
/// agreement. The number of tasks when nobody answered.
std::size_t AnswerRun::choose_candidate() {
  std::size_t best = tasks_.size();
  double best_total = -1;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (!tasks_[i].outcome.ok()) continue;
    double overlap = 0;
    double num_others = 0;
    for (std::size_t j = 0; j < tasks_.size(); ++j) {
      if (j == i || !tasks_[j].outcome.ok()) continue;
      overlap += word_overlap(tasks_[i].outcome->text, tasks_[j].outcome->text);
      ++num_others;
    }
    tasks_[i].agreement = num_others > 0 ? overlap / num_others : 0;
    const double total = tasks_[i].plan.confidence + tasks_[i].agreement;
    if (total > best_total) {
      best_total = total;
      best = i;
    }
  }
  return best;
}

// All candidates have answered: the chosen one becomes the only task.
void AnswerRun::finish_panel() {
  std::string text;
  {
    const MutexLock lock(mutex_);
    const std::size_t chosen = choose_candidate();
    std::vector<work::EnergyReading> energies;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      const Task& task = tasks_[i];
      energies.insert(energies.end(), task.energies.begin(), task.energies.end());
      panel_lines_.push_back(
          task.outcome.ok()
              ? fmt::format("{}: routing {:.2f}, agreement {:.2f}{}", task.plan.expert,
                            task.plan.confidence, task.agreement, i == chosen ? ", chosen" : "")
              : fmt::format("{}: failed: {}", task.plan.expert, task.outcome.status().message()));
    }
    const std::size_t num_candidates = tasks_.size();
    Task winner = tasks_[chosen == num_candidates ? 0 : chosen];
    if (winner.plan.expert == kCore) winner.plan.confidence = 0;
    winner.plan.why = fmt::format("chosen by the panel of {}", num_candidates);
    winner.energies = std::move(energies);
    if (winner.outcome.ok()) text = winner.outcome->text;
    tasks_ = {std::move(winner)};
    next_task_ = 1;
  }
  turns_.add(0, text);
  turns_.close(0);
}

work::PartTrace AnswerRun::trace_of(std::size_t index, const Task& task) const {
  work::PartTrace trace{.index = static_cast<std::int64_t>(index)};
  trace.text = excerpt(task.plan.text, kExcerptBytes);
  trace.expert = task.answered_by.empty() ? task.plan.expert : task.answered_by;
  trace.why = task.plan.why;
  trace.confidence = task.plan.confidence;
  trace.alternatives = task.plan.alternatives;
  trace.energy = energy::combine(task.energies);
  trace.fallback = unless_empty(task.fallback);
  if (is_panel()) trace.panel = panel_lines_;
  if (!task.outcome.ok()) {
    trace.error = task.outcome.status().message();
    return trace;
  }
  const work::GenerationResult& result = *task.outcome;
  trace.model_version = unless_empty(version_of(*parts_.endpoint, task.answered_by));
  trace.prompt_tokens = result.prompt_tokens;
  trace.completion_tokens = result.completion_tokens;
  trace.time_to_first_token_ms = result.time_to_first_token_ms;
  trace.tokens_per_s = result.tokens_per_s;
  trace.finish_reason = std::string(work::finish_reason_name(result.finish_reason));
  return trace;
}

Answer AnswerRun::sum_up(const std::vector<Task>& tasks) {
  Answer answer;
  answer.text = std::move(text_);
  std::vector<work::EnergyReading> energies;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    energies.insert(energies.end(), tasks[i].energies.begin(), tasks[i].energies.end());
    if (tasks[i].outcome.ok()) {
      const auto& logprobs = tasks[i].outcome->logprobs;
      answer.logprobs.insert(answer.logprobs.end(), logprobs.begin(), logprobs.end());
    }
    work::PartTrace part = trace_of(i, tasks[i]);
    answer.prompt_tokens += part.prompt_tokens;
    answer.completion_tokens += part.completion_tokens;
    if (part.finish_reason == "length") answer.finish_reason = work::FinishReason::kLength;
    answer.trace.parts.push_back(std::move(part));
  }
  work::TraceTotals& totals = answer.trace.totals;
  totals.energy = energy::combine(energies);
  const auto carbon = energy::estimate_carbon(totals.energy, parts_.options.carbon);
  totals.gco2 = carbon.grams;
  totals.gco2_method = carbon.method;
  answer.trace.request_id = parts_.request.request_id;
  answer.trace.endpoint = parts_.endpoint->name;
  const Nanoseconds wall = clock_.steady_now() - begin_;
  totals.wall_ms = milliseconds(wall);
  answer.trace.overhead_ms = milliseconds(wall - busy_.total());
  if (answer.completion_tokens > 0 && wall > Nanoseconds(0)) {
    totals.tokens_per_s = static_cast<double>(answer.completion_tokens) / seconds(wall);
  }
  return answer;
}

}  // namespace panal::orchestrator::detail
