// A dataset is divided by language, topic and difficulty: each part can train an expert.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"

namespace panal::hub {

struct PartitionDataset {
  std::string dataset{};  // NAME or NAME@VERSION.
  std::string core{};     // Model whose loss tells the difficulty; empty: it stays unknown.
  /// Label and path prefix of documents whose origin is known: measures the purity.
  std::vector<std::pair<std::string, std::string>> origins{};
  std::int64_t max_partitions = 16;
  std::int64_t difficulty_tokens = 64;  // Of each document, for the core's loss.
  std::uint64_t seed = 1;
};

struct FoundPartition {
  struct Difficulty {
    std::int64_t easy = 0, medium = 0, hard = 0;  // Documents.
  };
  std::int64_t number = 0;
  std::string name{};   // "es-fiction".
  std::string title{};  // For people: "Spanish · fiction".
  std::string language{};
  std::string domain{};
  std::int64_t documents = 0;
  std::int64_t bytes = 0;
  std::optional<Difficulty> difficulty{};
  std::vector<std::string> terms{};  // The most distinctive words, best first.
};

struct PartitionedDataset {
  std::string dataset{};  // "mixed@1".
  std::int64_t documents = 0;
  std::vector<FoundPartition> partitions{};
  std::optional<double> purity{};  // When origins are known.
  std::int64_t partitioning = 0;   // Its number in the catalogue.
};
Json to_json(const PartitionedDataset& partitioned);

/// Divides the dataset, sets a tenth of each part aside for validation, and registers all of it in
/// one step. Errors: kNotFound, kCancelled, those of topics::partition.
Result<PartitionedDataset> partition_dataset(Hive& hive, const PartitionDataset& request,
                                             const Watch& watch);

}  // namespace panal::hub
