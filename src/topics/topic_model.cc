#include "topics/topic_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "topics/language.h"
#include "topics/text_features.h"

namespace panal::topics {
namespace {

constexpr std::string_view kFormat = "panal-topic-model";
constexpr std::size_t kMaxBytesRead = 8192;
constexpr std::size_t kMaxTopics = 256;
constexpr std::size_t kMaxTermsPerTopic = 20'000;
constexpr std::size_t kMaxReasons = 6;

// The core's bid, in nats: one decisive word (3.4 nats) outweighs it, one doubtful word does not.
// Long texts collect chance evidence from every word, so the bid grows with the number of different
// words.
double core_bid(std::size_t num_words) {
  return 2.5 + 0.12 * static_cast<double>(num_words > 8 ? num_words - 8 : 0);
}
// Being in a language only this partition speaks decides alone; rivals with two decisive words
// still win.
constexpr double kLanguageEvidence = 3.0;
constexpr double kCodeEvidence = 4.0;

Status wrong(std::string_view where, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: {}", where, what));
}

Result<TopicTerm> term_from_json(const Json& json, std::string_view where) {
  const bool fits =
      json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_number();
  if (!fits) {
    return wrong(where,
                 fmt::format("a term must be [\"word\", weight], found {}", json_shown(json)));
  }
  TopicTerm term{.word = json[0].get<std::string>(), .weight = json[1].get<double>()};
  if (term.word.empty() || term.word.size() > 256 || !(term.weight >= 0 && term.weight <= 4)) {
    return wrong(where,
                 fmt::format("a term needs 1 to 256 bytes and a weight from 0 to 4, found {}",
                             json_shown(json)));
  }
  return term;
}

Result<Topic> topic_from_json(const Json& json, std::string_view where) {
  Topic topic;
  PANAL_ASSIGN(topic.partition, json_string(json, "partition", where));
  PANAL_ASSIGN(topic.language, json_string(json, "language", where));
  PANAL_ASSIGN(topic.domain, json_string(json, "domain", where));
  if (topic.partition.empty()) return wrong(where, "\"partition\" must not be empty");
  if (!json.contains("terms") || !json["terms"].is_array())
    return wrong(where, "\"terms\" must be an array");
  if (json["terms"].size() > kMaxTermsPerTopic) {
    return wrong(where, fmt::format("at most {} terms are allowed, found {}", kMaxTermsPerTopic,
                                    json["terms"].size()));
  }
  for (const Json& term : json["terms"]) {
    PANAL_ASSIGN(TopicTerm read, term_from_json(term, where));
    topic.terms.push_back(std::move(read));
  }
  return topic;
}

// How surely each topic rather than the core, and not a better topic. Two topics that are equally
// fit both keep a high score: whichever is taken will do, the core would not.
std::vector<double> scores_of(const std::vector<double>& evidence, double bid) {
  double best = 0;
  for (const double value : evidence) best = std::max(best, value);
  std::vector<double> scores;
  for (const double value : evidence) {
    scores.push_back(std::exp(value - best) / (1 + std::exp(bid - value)));
  }
  return scores;
}

}  // namespace

TopicModel::TopicModel(std::vector<Topic> topics, std::string core_language)
    : topics_(std::move(topics)), core_language_(std::move(core_language)) {
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    for (const TopicTerm& term : topics_[i].terms) {
      auto& postings = postings_[term.word];
      // A word named twice by one topic counts once.
      if (postings.empty() || postings.back().topic != i) {
        postings.push_back({i, static_cast<float>(term.weight)});
      }
    }
  }
}

TopicVerdict TopicModel::classify_with_reason(std::string_view text) const {
  text = text.substr(0, kMaxBytesRead);
  const LanguageGuess guess = guess_short_text_language(text);
  std::vector<double> evidence(topics_.size(), 0);
  std::vector<std::vector<TopicTerm>> found(topics_.size());
  std::set<std::string, std::less<>> seen;
  for_each_word(text, [&](std::string_view word) {
    if (is_stop_word(word) || !seen.emplace(word).second) return;
    const auto postings = postings_.find(std::string(word));
    if (postings == postings_.end()) return;
    for (const Posting& posting : postings->second) {
      evidence[posting.topic] += posting.weight;
      found[posting.topic].push_back({std::string(word), posting.weight});
    }
  });
  // Several partitions of one language share its evidence only if their words say so: each gets all
  // of it.
  const bool speaks_other = guess.language != "und" && guess.language != core_language_;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    if (speaks_other && topics_[i].language == guess.language) {
      evidence[i] += kLanguageEvidence * std::min(1.0, 0.3 + guess.confidence * 1.5);
    }
    if (is_code_language(topics_[i].language)) {
      evidence[i] += kCodeEvidence * std::clamp((guess.code - 0.4) / 0.4, 0.0, 1.0);
    }
  }
  const std::vector<double> scores = scores_of(evidence, core_bid(seen.size()));

  TopicVerdict verdict;
  verdict.language = guess.language;
  for (std::size_t i = 0; i < topics_.size(); ++i) {
    std::ranges::stable_sort(found[i], std::ranges::greater(), &TopicTerm::weight);
    TopicScore score{.partition = topics_[i].partition, .score = scores[i]};
    for (const TopicTerm& term : found[i]) {
      if (score.terms.size() < kMaxReasons) score.terms.push_back(term.word);
    }
    verdict.scores.push_back(std::move(score));
  }
  std::ranges::stable_sort(verdict.scores, std::ranges::greater(), &TopicScore::score);
  if (verdict.scores.empty()) {
    verdict.reason = "there are no partitions";
    return verdict;
  }
  const TopicScore& best = verdict.scores.front();
  verdict.confidence = best.score;
  if (best.score >= kThreshold) verdict.partition = best.partition;
  verdict.reason = fmt::format(
      "{} {:.2f}: {}; language {}", best.partition, best.score,
      best.terms.empty() ? "no words of it" : fmt::format("{}", fmt::join(best.terms, ", ")),
      guess.language);
  if (guess.code >= 0.5) verdict.reason += "; looks like code";
  if (verdict.partition.empty()) {
    verdict.reason =
        fmt::format("core: no partition reaches {:.2f}; nearest {}", kThreshold, verdict.reason);
  }
  return verdict;
}

std::vector<TopicScore> TopicModel::classify(std::string_view text) const {
  return classify_with_reason(text).scores;
}

Json TopicModel::to_json() const {
  Json json{{"format", kFormat}, {"version", 1}, {"core_language", core_language_}};
  json["topics"] = Json::array();
  for (const Topic& topic : topics_) {
    Json terms = Json::array();
    for (const TopicTerm& term : topic.terms)
      terms.push_back(Json::array({term.word, term.weight}));
    json["topics"].push_back({{"partition", topic.partition},
                              {"language", topic.language},
                              {"domain", topic.domain},
                              {"terms", std::move(terms)}});
  }
  return json;
}

Result<TopicModel> TopicModel::from_json(const Json& json, std::string_view where) {
  PANAL_ASSIGN(const std::string format, json_string(json, "format", where));
  if (format != kFormat) {
    return wrong(where, fmt::format("expected \"format\": \"{}\", found \"{}\"", kFormat, format));
  }
  PANAL_ASSIGN([[maybe_unused]] const std::int64_t version,
               json_integer(json, "version", where, 1, 1));
  PANAL_ASSIGN(std::string core_language, json_string(json, "core_language", where));
  if (!json.contains("topics") || !json["topics"].is_array() ||
      json["topics"].size() > kMaxTopics) {
    return wrong(where, fmt::format("\"topics\" must be an array of at most {}", kMaxTopics));
  }
  std::vector<Topic> topics;
  std::set<std::string> names;
  for (const Json& entry : json["topics"]) {
    PANAL_ASSIGN(Topic topic,
                 topic_from_json(entry, fmt::format("{}, topic {}", where, topics.size())));
    if (!names.insert(topic.partition).second) {
      return wrong(where, fmt::format("partition \"{}\" has two topics", topic.partition));
    }
    topics.push_back(std::move(topic));
  }
  return TopicModel(std::move(topics), std::move(core_language));
}

}  // namespace panal::topics
