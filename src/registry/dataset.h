// Datasets are JSONL files under a name with versions; a partitioning divides one version into
// parts, each of which can train an expert, and brings the topic model that recognises their texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace panal::registry {

struct NewDataset {
  std::string name{};
  std::filesystem::path file{};  // JSONL, one document a line.
  std::uint64_t num_documents = 0;
  std::uint64_t num_conversations = 0;  // Of the documents.
  std::string licence{};                // SPDX name, or "" when unknown.
  std::string source{};                 // A note for people: where it was taken from.
};

struct Dataset {
  std::int64_t id = 0;
  std::string name{};
  std::int64_t version = 0;  // 1, 2, ... within the name.
  std::string blob{};        // SHA-256 of the JSONL: the hash in lineages.
  std::uint64_t num_documents = 0;
  std::uint64_t num_conversations = 0;  // Of the documents; the others are plain texts.
  std::uint64_t num_bytes = 0;
  std::string licence{};
  std::string source{};
  std::int64_t created_unix_ms = 0;

  std::string label() const { return name + "@" + std::to_string(version); }
  /// "text", "chat" or "mixed".
  std::string_view kind() const;
};
Json to_json(const Dataset& dataset);

struct NewPartition {
  std::int64_t number = 0;  // As the partitioner counts; unique within the partitioning.
  std::string label{};      // Readable: "legal", "python".
  std::uint64_t num_documents = 0;
  std::map<std::string, std::filesystem::path> files{};  // Role -> JSONL: "train", "validation".
  Json details = Json::object();                         // Language, top terms, difficulty.
};

struct NewPartitioning {
  std::int64_t dataset_id = 0;
  std::string partitioning_json{};  // As topics::Partitioning writes it.
  std::string topic_model_json{};   // As topics::TopicModel writes it.
  std::vector<NewPartition> partitions{};
};

struct PartitionFile {
  std::string role{};
  std::string blob{};
  std::uint64_t num_bytes = 0;
};

struct Partition {
  std::int64_t number = 0;
  std::string label{};
  std::uint64_t num_documents = 0;
  std::vector<PartitionFile> files{};  // In order of role.
  Json details = Json::object();
};

struct Partitioning {
  std::int64_t id = 0;
  Dataset dataset{};
  std::string partitioning_blob{};
  std::string topic_model_blob{};
  std::int64_t created_unix_ms = 0;
  std::vector<Partition> partitions{};  // In order of number.
};
Json to_json(const Partitioning& partitioning);

}  // namespace panal::registry
