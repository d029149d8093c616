// What a run directory remembers between calls besides checkpoints: whose it is (config.json), what
// was decided (plan.json), and the finished model, each appearing whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "recipe/run_config.h"
#include "store/file_system.h"
#include "train/detail/step_plan.h"

namespace panal::train::detail {

/// What was decided; a resume must do the same to give the same bits.
struct Plan {
  StepPlan steps;
  std::optional<double> for_seconds;  // The time limit that gave the steps; empty: the config did.
  std::int64_t threads = 0;
  std::string core_checksum;  // kLora: of the core's weight files.
  bool operator==(const Plan&) const = default;
};

/// Nothing when there is no plan yet. Errors: kCorrupt.
Result<std::optional<Plan>> read_plan(const std::filesystem::path& path);
Status write_plan(store::FileSystem& files, const std::filesystem::path& path, const Plan& plan);

/// Writes the config on the first call; later checks that nothing that shapes the weights has
/// changed (name, max_seconds, checkpoint and evaluation may). A run that has no plan yet may
/// change altogether. Errors: kConflict naming the first field that differs.
Status claim_directory(store::FileSystem& files, const recipe::RunConfig& config);

/// XXH3 over the weight files of a model folder or file, in the order of their names.
Result<std::string> weights_checksum(const std::filesystem::path& model);

/// Lets `fill` write into an empty folder and puts it in the place of `folder`: a crash leaves the
/// old, the new, or none, never a half.
Status replace_folder(store::FileSystem& files, const std::filesystem::path& folder,
                      const std::function<Status(const std::filesystem::path&)>& fill);

}  // namespace panal::train::detail
