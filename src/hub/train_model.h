// A run file becomes a trained model, and, under a name, a registered version.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"
#include "work/training.h"

namespace panal::hub {

struct TrainModel {
  std::string config_file{};       // Its name in messages.
  std::string config{};            // YAML.
  std::string base_directory{};    // Where its relative paths begin.
  std::string model_name{};        // Registered under this name; empty: not registered.
  std::optional<int> processes{};  // Instead of the file's.
  bool begins_anew = false;  // A run of its own, also where there is one of the same identity.
};

/// What a run came to.
struct TrainedModel {
  work::TrainingSummary summary{};
  std::filesystem::path run_folder{};
  std::optional<registry::ModelVersion> model{};  // When it was registered.
};
/// The summary with "run_folder" and, when there is one, "model".
Json to_json(const TrainedModel& trained);

/// Trains as the run file says. The same request again goes on where it was stopped, also when
/// something has changed that does not shape the weights (recipe/run_identity.h); when the data or
/// what shapes them has, it begins another run and says so. Errors:
/// kInvalidArgument for a run file or name that is refused (then nothing is left behind),
/// kCancelled when it was stopped and left a checkpoint, and those of the run.
Result<TrainedModel> train_model(Hive& hive, const TrainModel& request, const Watch& watch);

}  // namespace panal::hub
