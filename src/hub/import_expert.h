// A PEFT folder from outside becomes an expert of a core.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"

namespace panal::hub {

struct ImportExpert {
  std::filesystem::path path{};  // A folder with adapter_config.json, adapter_model.safetensors.
  std::string name{};
  /// A registered base model. Empty: the one that adapter_config.json names.
  std::string core{};
  std::string licence{};  // SPDX name; empty: unknown.
};

/// Whether a path is a PEFT folder: it holds an adapter_config.json.
bool is_peft_folder(const std::filesystem::path& path);

/// Puts the adapter over its core in a child process, which checks settings, shapes, rank and
/// targets, then registers it; its checks make it ready and preferred. Errors: kInvalidArgument (no
/// PEFT folder, no core named or not a registered one), kConflict for a name that is taken, and
/// those of the check, each by the name of the setting or tensor.
Result<registry::ModelVersion> import_expert(Hive& hive, const ImportExpert& request,
                                             const Watch& watch);

}  // namespace panal::hub
