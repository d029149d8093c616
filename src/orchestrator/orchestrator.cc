// Split, route, run, join. Workers call the experts; the thread that called answer() is the only
// one that touches the sink, so a slow client needs no lock and no expert is held up by another
// part's reader.
#include "orchestrator/orchestrator.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/error.h"
#include "orchestrator/detail/busy_time.h"
#include "orchestrator/detail/ordered_text.h"
#include "orchestrator/detail/request_text.h"
#include "orchestrator/detail/router.h"
#include "orchestrator/detail/splitter.h"

namespace panal::orchestrator {
namespace {

using detail::kCore;

double milliseconds(Nanoseconds duration) { return seconds(duration) * 1e3; }

/// The user's question before the last one; empty when there is none.
std::string_view earlier_question(const std::vector<Message>& messages) {
  for (std::size_t i = messages.size() - 1; i-- > 0;) {
    if (messages[i].role == "user") return messages[i].content;
  }
  return {};
}

/// Everything one answer() shares between its threads.
class Run {
 public:
  Run(const OrchestratorOptions& options, const OrchestratorRequest& request,
      const Endpoint& endpoint, ExpertCaller& caller, Clock& clock, std::stop_token cancel)
      : options_(options),
        request_(request),
        endpoint_(endpoint),
        caller_(caller),
        cancel_(std::move(cancel)),
        busy_(clock) {}

  Result<ExpertAnswer> call(std::string_view expert, const std::string& prompt,
                            const CallProgress& progress) {
    ExpertCall call{.adapter = detail::adapter_of(expert),
                    .messages = request_.messages,
                    .options = request_.options};
    call.messages.back().content = prompt;
    busy_.begin();
    Result<ExpertAnswer> answer = capture([&] { return caller_.call(call, progress, cancel_); });
    busy_.end();
    if (answer.ok() && answer->finish_reason == "cancelled") {
      answer = Status(Code::kCancelled, "the request was cancelled");
    }
    return answer;
  }

  /// Runs function(0) to function(count - 1) on at most max_parallel_calls threads, in order of
  /// their start, while `meanwhile` runs on this one.
  template <typename Function, typename Meanwhile>
  void run_all(std::size_t count, const Function& function, const Meanwhile& meanwhile) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i = next++; i < count; i = next++) function(i);
    };
    const std::size_t num_threads = std::clamp<std::size_t>(
        static_cast<std::size_t>(std::max<std::int64_t>(1, options_.max_parallel_calls)), 1, count);
    std::vector<std::jthread> threads;  // Joined at the end of this scope.
    for (std::size_t i = 0; i < num_threads; ++i) threads.emplace_back(work);
    meanwhile();
  }

  bool is_cancelled() const { return cancel_.stop_requested(); }
  std::stop_token cancel() const { return cancel_; }
  Nanoseconds busy() const { return busy_.total(); }
  const Endpoint& endpoint() const { return endpoint_; }
  const OrchestratorOptions& options() const { return options_; }

 private:
  const OrchestratorOptions& options_;
  const OrchestratorRequest& request_;
  const Endpoint& endpoint_;
  ExpertCaller& caller_;
  const std::stop_token cancel_;
  detail::BusyTime busy_;
};

/// One part's way: its trace, the status when nobody answered it, and the energy of each call made
/// for it.
struct PartRun {
  PartTrace trace;
  Status status;
  std::vector<energy::EnergyReading> energies;
};

void note_answer(PartRun& part, const ExpertAnswer& answer, std::string_view expert,
                 const Endpoint& endpoint) {
  PartTrace& trace = part.trace;
  trace.answered_by = expert;
  trace.model_version = detail::version_of(endpoint, expert);
  trace.finish_reason = answer.finish_reason;
  trace.prompt_tokens = answer.prompt_tokens;
  trace.completion_tokens = answer.completion_tokens;
  trace.time_to_first_token_ms = answer.time_to_first_token_ms;
  trace.tokens_per_s = answer.tokens_per_s;
}

energy::EnergyReading energy_of_failed_call(std::string_view expert) {
  return {.joules = {},
          .method = "unknown",
          .detail = fmt::format("the failed call of {} reported nothing", expert)};
}

/// May the core try again? Not when the request is at fault or nobody wants the answer any more.
bool is_worth_a_fallback(const Status& status) {
  return status.code() != Code::kCancelled && status.code() != Code::kInvalidArgument &&
         status.code() != Code::kDeadlineExceeded;
}

void run_part(Run& run, PartRun& part, std::size_t index, detail::OrderedText& text) {
  const PlannedPart& plan = part.trace.plan;
  std::string_view expert = plan.expert;
  const CallProgress progress{
      .on_admitted = [&] { text.admit(index); },
      .on_text = [&](std::string_view piece) { text.write(index, piece, run.cancel()); }};
  Result<ExpertAnswer> answer = run.call(expert, plan.prompt, progress);
  if (!answer.ok() && expert != kCore && is_worth_a_fallback(answer.status()) &&
      !run.is_cancelled() && text.take_back(index)) {
    part.trace.fallback = fmt::format("{} failed: {}", expert, answer.status().message());
    part.energies.push_back(energy_of_failed_call(expert));
    expert = kCore;
    answer = run.call(expert, plan.prompt, progress);
  }
  if (answer.ok()) {
    part.energies.push_back(answer->energy);
    note_answer(part, *answer, expert, run.endpoint());
  } else {
    part.energies.push_back(energy_of_failed_call(expert));
    part.status = answer.status();
    part.trace.error = answer.status().message();
  }
  part.trace.energy = energy::combine(part.energies);
  text.close(index);
}

/// Gives the parts to the sink in order, with headings when there are several, and joins them.
class Joiner {
 public:
  explicit Joiner(AnswerSink& sink) : sink_(sink) {}
  void give(std::string_view text) {
    if (text.empty()) return;
    text_ += text;
    sink_.on_text(text);
  }
  void give_part(std::size_t index, const std::vector<PartRun>& parts, detail::OrderedText& text) {
    // Not before somebody works on it: until then an error of the first part can be one of all.
    if (text.starts(index) && !std::exchange(is_admitted_, true)) sink_.on_admitted();
    if (parts.size() > 1) {
      give(fmt::format("{}**{}. {}**\n\n", index == 0 ? "" : "\n\n", index + 1,
                       detail::excerpt(parts[index].trace.plan.text, 100)));
    }
    while (const auto piece = text.read(index)) give(*piece);
    // The part is closed: its worker has written the status before.
    if (parts.size() > 1 && !parts[index].status.ok()) {
      give(fmt::format("[This part could not be answered: {}]", parts[index].status.message()));
    }
  }
  std::string take() { return std::move(text_); }

 private:
  AnswerSink& sink_;
  bool is_admitted_ = false;
  std::string text_;
};

std::string run_parts(Run& run, std::vector<PartRun>& parts, AnswerSink& sink) {
  detail::OrderedText text(parts.size(), run.options().max_buffered_bytes);
  Joiner joiner(sink);
  run.run_all(
      parts.size(),
      [&](std::size_t i) {
        // Parts whose turn comes after a cancel are not started.
        if (run.is_cancelled()) {
          parts[i].status = Status(Code::kCancelled, "the request was cancelled");
          return text.close(i);
        }
        run_part(run, parts[i], i, text);
      },
      [&] {
        for (std::size_t i = 0; i < parts.size() && !run.is_cancelled(); ++i)
          joiner.give_part(i, parts, text);
      });
  return joiner.take();
}

struct Candidate {
  RouteScore route;
  Result<ExpertAnswer> answer = Status(Code::kCancelled, "not called");
  double agreement = 0;  // Mean word overlap with the other answers.
};

/// The likeliest expert wins, unless the others agree with each other and not with it: routing plus
/// agreement.
std::size_t choose(std::vector<Candidate>& candidates) {
  std::size_t best = candidates.size();
  double best_total = -1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].answer.ok()) continue;
    double overlap = 0;
    double num_others = 0;
    for (std::size_t j = 0; j < candidates.size(); ++j) {
      if (j == i || !candidates[j].answer.ok()) continue;
      overlap += detail::word_overlap(candidates[i].answer->text, candidates[j].answer->text);
      ++num_others;
    }
    candidates[i].agreement = num_others > 0 ? overlap / num_others : 0;
    const double total = candidates[i].route.score + candidates[i].agreement;
    if (total > best_total) {
      best_total = total;
      best = i;
    }
  }
  return best;
}

std::string run_panel(Run& run, PartRun& part, AnswerSink& sink) {
  std::vector<Candidate> candidates;
  for (RouteScore& score : detail::panel_candidates(part.trace.plan.text, run.endpoint())) {
    candidates.push_back({.route = std::move(score)});
  }
  run.run_all(
      candidates.size(),
      [&](std::size_t i) {
        if (run.is_cancelled()) return;
        candidates[i].answer = run.call(candidates[i].route.expert, part.trace.plan.prompt,
                                        {.on_admitted = {}, .on_text = [](std::string_view) {}});
      },
      [] {});
  const std::size_t chosen = choose(candidates);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    part.energies.push_back(candidate.answer.ok() ? candidate.answer->energy
                                                  : energy_of_failed_call(candidate.route.expert));
    part.trace.panel.push_back(candidate.answer.ok()
                                   ? fmt::format("{}: routing {:.2f}, agreement {:.2f}{}",
                                                 candidate.route.expert, candidate.route.score,
                                                 candidate.agreement, i == chosen ? ", chosen" : "")
                                   : fmt::format("{}: failed: {}", candidate.route.expert,
                                                 candidate.answer.status().message()));
  }
  part.trace.energy = energy::combine(part.energies);
  if (chosen == candidates.size()) {
    part.status = candidates.front().answer.status();
    part.trace.error = part.status.message();
    return {};
  }
  const Candidate& winner = candidates[chosen];
  part.trace.plan.confidence = winner.route.expert == kCore ? 0 : winner.route.score;
  part.trace.plan.why = fmt::format("chosen by the panel of {}", candidates.size());
  note_answer(part, *winner.answer, winner.route.expert, run.endpoint());
  Joiner joiner(sink);
  joiner.give(winner.answer->text);
  return joiner.take();
}

void sum_up(Answer& answer, const std::vector<PartRun>& parts, const OrchestratorRequest& request) {
  std::vector<energy::EnergyReading> energies;
  for (const PartRun& part : parts) {
    energies.insert(energies.end(), part.energies.begin(), part.energies.end());
    answer.prompt_tokens += part.trace.prompt_tokens;
    answer.completion_tokens += part.trace.completion_tokens;
    if (part.trace.finish_reason == "length") answer.finish_reason = "length";
    answer.trace.parts.push_back(part.trace);
  }
  answer.trace.energy = energy::combine(energies);
  answer.trace.carbon = energy::estimate_carbon(answer.trace.energy, request.carbon);
}

}  // namespace

Orchestrator::Orchestrator(OrchestratorOptions options, Clock& clock)
    : options_(options), clock_(clock) {}

Result<std::vector<PlannedPart>> Orchestrator::plan(const OrchestratorRequest& request,
                                                    const Endpoint& endpoint) const {
  if (request.messages.empty() || request.messages.back().role != "user") {
    return Status(Code::kInvalidArgument,
                  fmt::format("the last message must have the role \"user\", found {}",
                              request.messages.empty()
                                  ? "no message"
                                  : fmt::format("\"{:.40}\"", request.messages.back().role)));
  }
  const std::string& text = request.messages.back().content;
  if (!request.expert.empty()) {
    PANAL_ASSIGN(std::string expert, detail::find_expert(endpoint, request.expert));
    return std::vector{PlannedPart{.text = text,
                                   .prompt = text,
                                   .expert = std::move(expert),
                                   .why = "named by the caller",
                                   .confidence = 1,
                                   .alternatives = {}}};
  }
  const bool may_split =
      request.split && !request.panel && !endpoint.experts.empty() && endpoint.topics;
  const auto max_parts = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.max_parts));
  std::vector<PlannedPart> plan;
  const auto add_routed = [&](const detail::RequestPart& part) {
    plan.push_back(detail::route(part, earlier_question(request.messages), endpoint,
                                 options_.route_threshold));
  };
  for (const auto& part : detail::split_request(text, may_split ? max_parts : 1)) add_routed(part);
  // Parts that all go to one place are better answered in one piece, as they were asked.
  const bool is_one_place = std::ranges::all_of(
      plan, [&](const PlannedPart& part) { return part.expert == plan.front().expert; });
  if (plan.size() > 1 && is_one_place) {
    PlannedPart whole = plan.front();
    whole.text = text;
    whole.prompt = text;
    whole.why = fmt::format("all {} parts: {}", plan.size(), whole.why);
    plan = {std::move(whole)};
  }
  return plan;
}

Result<Answer> Orchestrator::answer(const OrchestratorRequest& request, const Endpoint& endpoint,
                                    ExpertCaller& caller, AnswerSink& sink,
                                    std::stop_token cancel) const {
  const Nanoseconds begin = clock_.steady_now();
  PANAL_ASSIGN(const std::vector<PlannedPart> planned, plan(request, endpoint));
  sink.on_plan(planned);
  std::vector<PartRun> parts(planned.size());
  for (std::size_t i = 0; i < planned.size(); ++i) parts[i].trace.plan = planned[i];

  Run run(options_, request, endpoint, caller, clock_, cancel);
  const bool is_panel = request.panel && request.expert.empty();
  Answer answer;
  answer.text = is_panel ? run_panel(run, parts.front(), sink) : run_parts(run, parts, sink);
  if (cancel.stop_requested()) return Status(Code::kCancelled, "the request was cancelled");
  if (std::ranges::none_of(parts, [](const PartRun& part) { return part.status.ok(); })) {
    return parts.front().status;
  }
  sum_up(answer, parts, request);
  Trace& trace = answer.trace;
  trace.request_id = request.request_id;
  trace.endpoint = endpoint.name;
  const Nanoseconds wall = clock_.steady_now() - begin;
  trace.wall_ms = milliseconds(wall);
  trace.overhead_ms = milliseconds(wall - run.busy());
  if (answer.completion_tokens > 0 && wall > Nanoseconds(0)) {
    trace.tokens_per_s = static_cast<double>(answer.completion_tokens) / seconds(wall);
  }
  return answer;
}

}  // namespace panal::orchestrator
