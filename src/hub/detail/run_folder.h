// Where a run lives. Its folder is named by its identity (recipe/run_identity.h), so the same
// request finds what it has begun, whatever has changed that does not make it another run.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/home.h"

namespace panal::hub::detail {

struct RunPlace {
  std::filesystem::path folder{};
  /// What somebody should be told who expects it to go on: why this is a run of its own, and where
  /// the one before it lies. Empty when there is nothing to tell.
  std::string remark{};
};

/// What a run is asked for by.
struct RunDescription {
  std::string_view kind{};    // "train" or "finetune": begins the folder's name.
  std::string origin{};       // What a person calls it: the run file's path, the expert's name.
  std::string_view config{};  // YAML.
  std::string config_name{};  // In messages.
  std::filesystem::path base_directory{};  // Where its relative paths begin.
  bool begins_anew = false;  // A run of its own, beside those there are of the same identity.
};

/// Reads config and data, and finds the newest run of their identity, or the place of a new one,
/// whose folder is then made. Errors: kInvalidArgument when the config is refused; kNotFound,
/// kUnavailable when data, tokenizer or core cannot be read; those of FileSystem.
Result<RunPlace> find_run_place(const store::Home& home, const RunDescription& run);

}  // namespace panal::hub::detail
