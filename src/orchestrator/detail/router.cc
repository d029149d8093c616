// Scores come from topics::TopicModel, whose partitions are matched to the endpoint's experts by
// name. The core's score is what the partitions leave of 1.
#include "orchestrator/detail/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/detail/request_text.h"
#include "topics/topic_model.h"

namespace panal::orchestrator::detail {
namespace {

constexpr std::size_t kMaxAlternatives = 4;
constexpr std::size_t kShortQuestionWords = 8;

struct Verdict {
  std::vector<work::RouteScore> experts;  // Best first, only those of the endpoint.
  double core_score = 1;
  std::string reason;      // The topic model's words.
  std::string undeployed;  // A partition that beats all experts but has none itself.
};

Verdict judge(std::string_view text, const Endpoint& endpoint) {
  Verdict verdict;
  if (!endpoint.topics || endpoint.experts.empty()) return verdict;
  const topics::TopicVerdict topics = endpoint.topics->classify_with_reason(text);
  verdict.reason = topics.reason;
  for (const topics::TopicScore& topic : topics.scores) {
    verdict.core_score -= topic.score;
    const auto expert = std::ranges::find(endpoint.experts, topic.partition, &Expert::partition);
    if (expert != endpoint.experts.end()) {
      verdict.experts.push_back({.expert = expert->name, .score = topic.score});
    } else if (verdict.experts.empty() && verdict.undeployed.empty()) {
      verdict.undeployed = topic.partition;
    }
  }
  verdict.core_score = std::clamp(verdict.core_score, 0.0, 1.0);
  return verdict;
}

double best_score(const Verdict& verdict) {
  return verdict.experts.empty() ? 0 : verdict.experts.front().score;
}

std::vector<work::RouteScore> alternatives_to(std::string_view chosen, const Verdict& verdict) {
  std::vector<work::RouteScore> others = verdict.experts;
  others.push_back({.expert = std::string(kCore), .score = verdict.core_score});
  std::erase_if(others, [&](const work::RouteScore& other) { return other.expert == chosen; });
  std::ranges::stable_sort(others, std::ranges::greater(), &work::RouteScore::score);
  others.resize(std::min(others.size(), kMaxAlternatives));
  return others;
}

std::string label_of(const Endpoint& endpoint, std::string_view expert) {
  const auto found = std::ranges::find(endpoint.experts, expert, &Expert::name);
  return found == endpoint.experts.end() || found->label.empty() ? std::string(expert)
                                                                 : found->label;
}

}  // namespace

std::string version_of(const Endpoint& endpoint, std::string_view expert) {
  const auto found = std::ranges::find(endpoint.experts, expert, &Expert::name);
  return found == endpoint.experts.end() ? endpoint.core_version : found->version;
}

Result<std::string> find_expert(const Endpoint& endpoint, std::string_view name) {
  if (name == kCore || name == endpoint.core) return std::string(kCore);
  std::vector<std::string> names = {std::string(kCore)};
  for (const Expert& expert : endpoint.experts) {
    if (expert.name == name) return expert.name;
    names.push_back(expert.name);
  }
  return Status(Code::kNotFound,
                fmt::format("endpoint \"{}\" has no expert \"{:.100}\"; it has: {}", endpoint.name,
                            name, fmt::join(names, ", ")));
}

PlannedPart route(const RequestPart& part, std::string_view earlier, const Endpoint& endpoint,
                  double threshold) {
  PlannedPart planned{.text = part.text,
                      .prompt = part.prompt,
                      .expert = std::string(kCore),
                      .why = "",
                      .confidence = 0,
                      .alternatives = {}};
  if (endpoint.experts.empty() || !endpoint.topics) {
    planned.why = endpoint.experts.empty() ? "the endpoint has no experts"
                                           : "the endpoint has no topic model";
    return planned;
  }
  // The task's own words first; the text it is about, then the question before it, only when those
  // say too little.
  Verdict verdict = judge(part.text, endpoint);
  std::string basis;
  const auto try_also = [&](std::string_view text, std::string_view name) {
    if (best_score(verdict) >= threshold || text.empty()) return;
    Verdict wider = judge(fmt::format("{}\n{}", part.text, text), endpoint);
    if (best_score(wider) < threshold) return;
    verdict = std::move(wider);
    basis = fmt::format(" (with {})", name);
  };
  try_also(part.given, "the text it is about");
  if (words_of(part.text).size() <= kShortQuestionWords)
    try_also(earlier, "the question before it");

  if (best_score(verdict) >= threshold) {
    planned.expert = verdict.experts.front().expert;
    planned.confidence = verdict.experts.front().score;
    planned.why =
        fmt::format("{}{}: {}", label_of(endpoint, planned.expert), basis, verdict.reason);
  } else if (!verdict.undeployed.empty()) {
    planned.why = fmt::format("nearest topic \"{}\" has no expert here: {}", verdict.undeployed,
                              verdict.reason);
  } else {
    planned.why = fmt::format("no expert reaches {:.2f}: {}", threshold, verdict.reason);
  }
  planned.alternatives = alternatives_to(planned.expert, verdict);
  return planned;
}

std::vector<work::RouteScore> panel_candidates(std::string_view text, const Endpoint& endpoint) {
  const Verdict verdict = judge(text, endpoint);
  std::vector<work::RouteScore> candidates = verdict.experts;
  candidates.resize(std::min<std::size_t>(candidates.size(), 2));
  candidates.push_back({.expert = std::string(kCore), .score = verdict.core_score});
  std::ranges::stable_sort(candidates, std::ranges::greater(), &work::RouteScore::score);
  return candidates;
}

}  // namespace panal::orchestrator::detail
