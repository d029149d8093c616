// Split, route, run, join. Everything happens in callbacks of the calls: an answer in progress is
// an object that they share, and no thread of its own.
#include "orchestrator/orchestrator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "orchestrator/detail/answer_run.h"
#include "orchestrator/detail/request_text.h"
#include "orchestrator/detail/router.h"
#include "orchestrator/detail/splitter.h"

namespace panal::orchestrator {
namespace {

/// The question before the last one; empty when there is none.
std::string_view earlier_question(const work::Conversation& messages) {
  for (std::size_t i = messages.size() - 1; i-- > 0;) {
    if (messages[i].role == "user") return messages[i].content;
  }
  return {};
}

/// What a conversation that does not end with the user is about: its last question.
std::string_view last_question(const work::Conversation& messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role == "user") return messages[i].content;
  }
  return {};
}

PlannedPart named_part(const std::string& text, std::string expert) {
  return {.text = text,
          .prompt = text,
          .expert = std::move(expert),
          .why = "named by the caller",
          .confidence = 1,
          .alternatives = {}};
}

}  // namespace

Orchestrator::Orchestrator(OrchestratorOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

Result<std::vector<PlannedPart>> Orchestrator::plan(const work::Generation& request,
                                                    const Endpoint& endpoint) const {
  const auto* messages = std::get_if<work::Conversation>(&request.input);
  if (messages == nullptr) {
    return Status(Code::kInvalidArgument, "a conversation is wanted, found a plain prompt");
  }
  const bool asks = !messages->empty() && messages->back().role == "user";
  const std::string text = asks ? messages->back().content : std::string(last_question(*messages));
  if (!request.expert.empty()) {
    PANAL_ASSIGN(std::string expert, detail::find_expert(endpoint, request.expert));
    return std::vector{named_part(text, std::move(expert))};
  }
  if (!asks) {
    return std::vector{detail::route({.text = text, .given = {}, .prompt = text}, {}, endpoint,
                                     options_.route_threshold)};
  }
  // Of the text between parts nobody could say how likely it was.
  const bool may_split = request.split.value_or(true) && !request.logprobs &&
                         !request.panel.value_or(false) && !endpoint.experts.empty() &&
                         endpoint.topics;
  const auto max_parts = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.max_parts));
  std::vector<PlannedPart> plan;
  const auto add_routed = [&](const detail::RequestPart& part) {
    plan.push_back(
        detail::route(part, earlier_question(*messages), endpoint, options_.route_threshold));
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

void Orchestrator::answer(work::Generation request, std::shared_ptr<const Endpoint> endpoint,
                          std::shared_ptr<ExpertCaller> caller, std::shared_ptr<AnswerSink> sink,
                          std::stop_token cancel) const {
  auto planned = plan(request, *endpoint);
  if (!planned.ok()) return sink->on_done(planned.status());
  sink->on_plan(*planned);
  const auto run =
      std::make_shared<detail::AnswerRun>(detail::AnswerRun::Parts{.options = options_,
                                                                   .request = std::move(request),
                                                                   .endpoint = std::move(endpoint),
                                                                   .caller = std::move(caller),
                                                                   .sink = std::move(sink)},
                                          clock_, *std::move(planned));
  run->start(cancel);
}

}  // namespace panal::orchestrator
