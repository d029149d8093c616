// What train and finetune share: a run in its folder, and what its model's lineage says.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"
#include "work/training.h"

namespace panal::hub::detail {

struct TrainingRun {
  std::string config{};          // YAML.
  std::string config_name{};     // In messages.
  std::string base_directory{};  // Where its relative paths begin.
  std::filesystem::path folder{};
  std::string activity{};
  std::optional<int> processes{};  // Instead of the config's.
};

/// Runs it and returns its summary. A run file that is refused leaves no folder behind. Errors:
/// kCancelled, with the way to go on, when it was stopped and left a checkpoint.
Result<work::TrainingSummary> run_training(Hive& hive, const TrainingRun& run, const Watch& watch);

/// The files of a folder, by name. Errors: kInternal when it has none.
Result<std::map<std::string, std::filesystem::path>> files_of(const std::filesystem::path& folder);

registry::Lineage lineage_of(const work::TrainingSummary& summary, const std::string& config,
                             const std::filesystem::path& folder);

}  // namespace panal::hub::detail
