// A checkpoint is a folder that appears whole: weights, optimizer state and counters are written
// into a temporary folder, synced, checked into a list of checksums, and the folder is renamed.
// What is read is checked against that list before anything of it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"
#include "optim/optimizer.h"
#include "store/file_system.h"
#include "train/detail/snapshot.h"

namespace panal::train::detail {

/// Which checkpoints stay, and how carefully they are written.
struct CheckpointPolicy {
  std::int64_t good_step = -1;        // Where a diverged run goes back to stays; -1: none.
  std::int64_t keep = 2;              // The newest ones; 1 or more.
  std::int64_t keep_every_steps = 0;  // Also those of every so many steps; 0: none.
  std::int64_t best_step = -1;        // Also this one; -1: none.
  bool verifies = false;              // Read back and compared before it gets its name.
};

/// The folders step_<n> below `folder` that are whole by name, the newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

/// Writes step_<n> below `folder` and returns its path. After an error the checkpoints that were
/// there still are. With `verifies` the tensors are read back and compared byte by byte first.
Result<std::filesystem::path> save_checkpoint(store::FileSystem& files,
                                              const std::filesystem::path& folder,
                                              const Snapshot& snapshot, bool verifies);

/// The counters of a checkpoint; its tensors are not looked at. Errors: kCorrupt.
Result<Counters> read_counters(const std::filesystem::path& checkpoint);

/// Copies a checkpoint into parameters and optimizer. Errors: kCorrupt naming the file that does
/// not fit its checksum or the run; parameters may then be half overwritten.
Result<Counters> load_checkpoint(const std::filesystem::path& checkpoint,
                                 std::span<const tensor::NamedTensor> parameters,
                                 optim::Optimizer& optimizer);

/// Removes one checkpoint, in one step for whoever looks.
void remove_checkpoint(const std::filesystem::path& checkpoint);

/// Removes what the policy does not keep, and what interrupted writes left. Never fails: old files
/// are only a waste.
void remove_old_checkpoints(const std::filesystem::path& folder, const CheckpointPolicy& policy);

}  // namespace panal::train::detail
