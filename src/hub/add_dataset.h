// Files of any kind become a registered dataset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/document_reader.h"
#include "hub/hive.h"
#include "registry/dataset.h"

namespace panal::hub {

struct AddDataset {
  std::string name{};
  std::vector<std::string> paths{};  // Files, folders, or "-" for standard input.
  std::string licence{};             // SPDX name; empty: unknown.
  std::string source{};              // A note for people.
  /// "off", or "exact" (up to case and space) or "near" (similar): whole texts, then passages.
  std::string deduplicate = "off";
  double near_threshold = 0.8;
  std::string text_column{};            // Where the text has a name of its own.
  std::string special_tokens = "none";  // Or "read": of plain texts.
};

struct AddedDataset {
  registry::Dataset dataset{};
  data::ReadReport read{};                // What was read and what was left out; no documents.
  std::vector<std::string> duplicates{};  // A sentence per pass that removed them.
  std::int64_t duplicate_documents = 0;
  std::int64_t duplicate_bytes = 0;
};
Json to_json(const AddedDataset& added);

/// Reads, and registers as the next version of the name; the same content gives the latest version
/// back. Errors: kInvalidArgument (a name, nothing to read), those of data::read_documents,
/// kCancelled.
Result<AddedDataset> add_dataset(Hive& hive, const AddDataset& request, const Watch& watch);

}  // namespace panal::hub
