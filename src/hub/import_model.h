// A model file or folder from outside becomes a registered version.
#pragma once

#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"

namespace panal::hub {

struct ImportModel {
  std::string path{};  // One .gguf file, or a folder in Hugging Face layout.
  std::string name{};
  std::string licence{};  // SPDX name; empty: unknown.
};

/// Checks a model file or folder wholly in a child process, then registers it; its checks make it
/// ready and preferred. Of a folder only what panal reads comes along. Errors: kInvalidArgument (no
/// model there, a bad name), kNotFound, and those of the check.
Result<registry::ModelVersion> import_model(Hive& hive, const ImportModel& request,
                                            const Watch& watch);

}  // namespace panal::hub
