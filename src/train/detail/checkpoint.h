// A checkpoint is a folder that appears whole: weights, optimizer state and counters are written
// into a temporary folder, synced, checked into a list of checksums, and the folder is renamed.
// What is read is checked against that list before anything of it is used.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "energy/meter.h"
#include "optim/optimizer.h"
#include "store/file_system.h"
#include "train/run.h"

namespace panal::train::detail {

/// Everything of a run that changes and is not a tensor.
struct Counters {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  std::int64_t skipped_steps = 0;
  double seconds = 0;                // Wall time of all calls.
  double training_seconds = 0;       // Of steps alone.
  std::deque<double> recent_losses;  // Finite, the newest last, at most kRecentLosses.
  std::optional<EvaluationPoint> first_evaluation;
  std::optional<EvaluationPoint> last_evaluation;
  energy::EnergyReading energy{
      .joules = 0.0, .method = "", .detail = ""};  // Method "": nothing yet.
  Json stream;                                     // data::TokenStream::state().
};
inline constexpr std::size_t kRecentLosses = 20;

Json evaluation_to_json(const EvaluationPoint& point);
Result<EvaluationPoint> evaluation_from_json(const Json& json, std::string_view where);
Json energy_to_json(const energy::EnergyReading& reading);
Result<energy::EnergyReading> energy_from_json(const Json& json, std::string_view where);

/// The folders step_<n> below `folder` that are whole by name, the newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

/// Writes step_<n> below `folder` and returns its path. After an error the checkpoints that were
/// there still are.
Result<std::filesystem::path> save_checkpoint(store::FileSystem& files,
                                              const std::filesystem::path& folder,
                                              const Counters& counters,
                                              std::span<const tensor::NamedTensor> parameters,
                                              const optim::Optimizer& optimizer);

/// Copies a checkpoint into parameters and optimizer. Errors: kCorrupt naming the file that does
/// not fit its checksum or the run; parameters may then be half overwritten.
Result<Counters> load_checkpoint(const std::filesystem::path& checkpoint,
                                 std::span<const tensor::NamedTensor> parameters,
                                 optim::Optimizer& optimizer);

/// Removes all but the `keep` newest, and what interrupted writes left. Never fails: old files are
/// only a waste.
void remove_old_checkpoints(const std::filesystem::path& folder, std::int64_t keep);

}  // namespace panal::train::detail
