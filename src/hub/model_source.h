// What a model's name means: files of a registered version, or a path.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"

namespace panal::hub {

/// Where a model's files lie.
struct ModelSource {
  std::filesystem::path core{};
  std::optional<std::filesystem::path> adapter{};
  std::string label{};                              // "smollm2@1" or the path.
  std::optional<registry::ModelVersion> version{};  // Empty for a path.

  /// A whole model of the registry: what experts are trained over.
  bool is_registered_core() const { return version.has_value() && !adapter.has_value(); }
};

/// A registered name ("smollm2", "smollm2@2", an expert's name), else a path of a model folder or
/// GGUF file. Errors: kNotFound says that it is neither; kConflict when all versions are retired.
Result<ModelSource> find_model_source(Hive& hive, const std::string& name_or_path);

}  // namespace panal::hub
