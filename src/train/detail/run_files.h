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
#include "recipe/run_identity.h"
#include "store/file_system.h"
#include "train/detail/step_plan.h"

namespace panal::train::detail {

/// What was decided; a resume must do the same to give the same bits.
struct Plan {
  StepPlan steps;
  std::optional<double> for_seconds;  // The time limit that gave the steps; empty: the config did.
  std::int64_t threads = 0;
  bool operator==(const Plan&) const = default;
};

/// Nothing when there is no plan yet. Errors: kCorrupt.
Result<std::optional<Plan>> read_plan(const std::filesystem::path& path);
Status write_plan(store::FileSystem& files, const std::filesystem::path& path, const Plan& plan);

/// Writes config.json and identity.json on the first call; later checks that the directory is that
/// of this run (recipe/run_identity.h), and writes down what may change. One that has no plan yet
/// becomes that of another run. Reads all data, as recipe::identify() does.
///
/// Errors   kConflict naming the first field or input that differs; those of identify().
Result<recipe::RunIdentity> claim_directory(store::FileSystem& files,
                                            const recipe::RunConfig& config);

/// Lets `fill` write into an empty folder and puts it in the place of `folder`: a crash leaves the
/// old, the new, or none, never a half.
Status replace_folder(store::FileSystem& files, const std::filesystem::path& folder,
                      const std::function<Status(const std::filesystem::path&)>& fill);

}  // namespace panal::train::detail
