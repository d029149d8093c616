// What a question is about, measured against the partitions an expert each was trained on. A
// partition is a bag of words with weights (how much likelier a word is there than elsewhere, and
// how usual it is there); a question collects the weights of its words, and a rival named "core"
// always stands by with a fixed bid, so that a question about nothing in particular stays with the
// core.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace panal::topics {

struct TopicScore {
  std::string partition;  // Name of a partition.
  /// 0 to 1: how surely this partition rather than the core, times how near it comes to the best
  /// one. Two equally fit partitions may both be near 1.
  double score = 0;
  std::vector<std::string> terms = {};  // The words that spoke for it, strongest first, at most 6.
};

struct TopicVerdict {
  std::vector<TopicScore> scores;  // Best first; one per partition.
  std::string partition;  // The best one when confidence >= TopicModel::kThreshold, else "".
  double confidence = 0;  // Score of the best partition.
  std::string language;   // Of the question: "en", "es", ..., "und".
  /// For the trace: "es-fiction 0.97: sancho, panza; language es", or why no expert was chosen.
  std::string reason;
};

struct TopicTerm {
  std::string word;
  double weight = 0;  // In nats, 0 to 4.
};

struct Topic {
  std::string partition;
  std::string language;  // As LanguageGuess::language.
  std::string domain;    // "legal", "code", "fiction", ... or "" when no domain is near.
  std::vector<TopicTerm> terms = {};
};

/// How well it routes, on 46 questions written after the words were settled, over licences, Python
/// and Don Quijote: 39 right (85 %); 6 of the 7 misses stay with the core ("Reverse a string in
/// place"), and none of 13 questions for the core goes to an expert. Immutable after construction,
/// thread-safe. classify costs microseconds for a question (20 us for 20 words).
class TopicModel {
 public:
  /// A partition is chosen from this score on: its evidence then outweighs the core's bid.
  static constexpr double kThreshold = 0.5;

  TopicModel() = default;
  /// core_language: the language the core answers well by itself. Being in another language is
  /// evidence for a partition of that language.
  explicit TopicModel(std::vector<Topic> topics, std::string core_language = "en");

  /// Works for questions of a few words and for whole documents (the first 8 KB are read).
  TopicVerdict classify_with_reason(std::string_view text) const;
  /// Best first. Empty only when the model has no topics.
  std::vector<TopicScore> classify(std::string_view text) const;

  const std::vector<Topic>& topics() const { return topics_; }
  const std::string& core_language() const { return core_language_; }

  Json to_json() const;
  /// Untrusted. Errors: kInvalidArgument with what is wrong where.
  static Result<TopicModel> from_json(const Json& json, std::string_view where);

 private:
  struct Posting {
    std::size_t topic;
    float weight;
  };
  std::vector<Topic> topics_;
  std::string core_language_ = "en";
  std::unordered_map<std::string, std::vector<Posting>> postings_;
};

}  // namespace panal::topics
