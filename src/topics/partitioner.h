// Mixed, unlabelled documents become partitions, one per expert: first by language (programming
// languages are languages), then inside each language by topic, by clustering of tf-idf vectors. A
// split is made only where the clusters clearly differ: an expert per whim of the clustering would
// cost training and gain nothing. After Gururangan et al., "Scaling Expert Language Models with
// Unsupervised Domain Discovery" (c-BTM, 2023, arXiv 2303.14177). We differ: languages are
// separated first, the number of clusters is found, not given, and clusters need not be balanced.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/document.h"
#include "topics/topic_model.h"

namespace panal::topics {

struct PartitionOptions {
  std::uint64_t seed = 1;
  std::int64_t max_partitions = 16;  // 1 to 256, over all languages.
  std::int64_t max_partitions_per_language = 8;
  std::int64_t min_documents = 12;  // Smaller groups join their nearest neighbour.
  double min_fraction = 0.01;       // The same as a share of all documents, 0 to 0.5.
  /// How clearly two clusters must differ to stay apart, 0 to 1; higher gives fewer partitions. It
  /// is what own word distributions save on held-out words, divided by the entropy of the cut:
  /// slices of one subject reach 0.02 to 0.11, licences against encyclopaedia or drama 0.28 to
  /// 0.32.
  double min_separation = 0.2;
  /// Fixes the clusters per language instead of finding their number; 0 finds it.
  std::int64_t partitions_per_language = 0;
  bool balanced = false;             // Clusters of nearly equal size, as in c-BTM.
  std::string core_language = "en";  // See TopicModel.
  std::function<void(double fraction)> progress =
      {};  // Called now and then with 0 to 1, on the calling thread.
  std::stop_token stop = {};
};

enum class Difficulty { kUnknown, kEasy, kMedium, kHard };
std::string_view difficulty_name(Difficulty difficulty);  // "unknown", "easy", "medium", "hard".

struct Partition {
  std::string name;      // Unique; lower case letters, digits and '-': "es-fiction".
  std::string title;     // For people: "Spanish · fiction".
  std::string language;  // "es", "code:python".
  std::string domain;    // "" when no domain of the lexicon is near.
  std::vector<std::string>
      terms;  // 3 to 5 most distinctive words, best first (fewer for tiny vocabularies).
  std::int64_t num_documents = 0;
  std::int64_t text_bytes = 0;
  /// Losses up to easy_below are easy, over hard_above hard. Unset until assign_difficulty knew
  /// enough losses.
  std::optional<double> easy_below;
  std::optional<double> hard_above;
};

struct Partitioning {
  std::vector<Partition> partitions;      // Largest first.
  std::vector<std::int32_t> assignments;  // Per document: index into partitions.
  std::vector<Difficulty> difficulty;     // Per document.
  TopicModel topic_model;

  std::vector<std::size_t> members(std::size_t partition) const;  // Document indices, ascending.
  std::optional<std::size_t> find(std::string_view name) const;
};

/// Groups the documents by their text alone; `source` is never looked at. Deterministic for a seed.
///
/// Errors  kInvalidArgument: no documents, only white space, options out of range. kNotFound: the
/// language
///         tables are missing. kCancelled: stop was requested.
/// Cost    about 1 s per 5 MB on one core, one core used; memory about twice the text.
Result<Partitioning> partition(std::span<const data::Document> documents,
                               const PartitionOptions& options = {});

/// Splits each partition into thirds by the core's loss on each document (nats per token). A loss
/// that is NaN or infinite is unknown and stays so; a partition with fewer than 3 known losses
/// stays unknown. Errors: kInvalidArgument when there is not one loss per document.
Status assign_difficulty(Partitioning& partitioning, std::span<const double> loss_per_document);
inline constexpr double kUnknownLoss = std::numeric_limits<double>::quiet_NaN();

/// Share of documents that stand in a partition whose most frequent origin is their own: 1 is
/// perfect. Errors: kInvalidArgument when there is not one origin per document.
Result<double> purity(const Partitioning& partitioning, std::span<const std::string> known_origins);

Json to_json(const Partitioning& partitioning);
/// Untrusted: every index, number and name is checked. Errors: kInvalidArgument with what is wrong
/// where.
Result<Partitioning> partitioning_from_json(const Json& json, std::string_view where);

}  // namespace panal::topics
