// The datasets of a hive.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "registry/dataset.h"
#include "registry/removal.h"

namespace panal::hub {

/// A version with what divides it.
struct ListedDataset {
  registry::Dataset dataset{};
  std::vector<registry::Partitioning> partitionings{};  // Newest first.
};
Json to_json(const ListedDataset& listed);

/// By name, then version.
Result<std::vector<ListedDataset>> list_datasets(Hive& hive);

/// `reference`: NAME or NAME@VERSION. Errors: kNotFound suggests a near name.
Result<ListedDataset> show_dataset(Hive& hive, const std::string& reference);

struct ExportDataset {
  std::string dataset{};         // NAME or NAME@VERSION.
  std::filesystem::path file{};  // As store::write_output() means it.
};
/// Writes the version as it was registered, one document a line, after its hash was checked.
/// Errors: kNotFound, kCorrupt; those of writing.
Result<registry::Dataset> export_dataset(Hive& hive, const ExportDataset& request);

struct RemoveDataset {
  std::string dataset{};  // NAME: all its versions. NAME@VERSION: that one.
  registry::RemovalOptions options{};
};
/// Errors: those of Catalogue::remove_dataset.
Result<registry::Removal> remove_dataset(Hive& hive, const RemoveDataset& request);

}  // namespace panal::hub
