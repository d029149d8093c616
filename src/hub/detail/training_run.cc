#include "hub/detail/training_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/config.h"
#include "base/hash.h"

namespace panal::hub::detail {
namespace {

// How many processes a run file asks for. What is wrong in it the engine tells, all of it at once.
int processes_of(const std::string& config) {
  auto top = ConfigReader::parse(config, "run");
  if (!top.ok()) return 1;
  constexpr std::int64_t kMost = 64;
  const auto processes = top->section("parallel").integer("processes", 1, 1, kMost);
  return static_cast<int>(std::clamp<std::int64_t>(processes, 1, kMost));
}

// A run that was stopped has no model: it is not done, and the job says so.
Status check_not_stopped(const work::TrainingSummary& summary,
                         const std::filesystem::path& folder) {
  if (summary.status != work::RunStatus::kStopped) return Status();
  return Status(
      Code::kCancelled,
      fmt::format("stopped at step {}; a checkpoint is in {}: run the same command again to go on",
                  summary.steps, folder.string()));
}

}  // namespace

Result<work::TrainingSummary> run_training(Hive& hive, const TrainingRun& run, const Watch& watch) {
  const work::TrainingJob job{.file = {.config = run.config,
                                       .config_name = run.config_name,
                                       .base_directory = run.base_directory,
                                       .processes = run.processes},
                              .run_directory = run.folder / "run"};
  auto outcome = hive.run_job(job,
                              {.activity = run.activity,
                               .folder = run.folder,
                               .processes = run.processes.value_or(processes_of(run.config))},
                              watch, [&](const work::TrainingSummary& summary) {
                                return check_not_stopped(summary, run.folder);
                              });
  if (outcome.code() == Code::kInvalidArgument && !std::filesystem::exists(run.folder / "run")) {
    std::error_code ignored;
    std::filesystem::remove_all(run.folder, ignored);
  }
  return outcome;
}

Result<std::map<std::string, std::filesystem::path>> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = entry.path();
  }
  if (error || files.empty())
    return Status(Code::kInternal, fmt::format("the run left no model in {}", folder.string()));
  return files;
}

registry::Lineage lineage_of(const work::TrainingSummary& summary, const std::string& config,
                             const std::filesystem::path& folder) {
  registry::Lineage lineage;
  lineage.dataset_sha256 = summary.dataset_sha256;
  lineage.code_version = code_version();
  lineage.config_sha256 = sha256_hex(config);
  lineage.run_id = folder.filename().string();
  lineage.details["run"] = work::to_json(summary);
  return lineage;
}

}  // namespace panal::hub::detail
