// Writes checkpoints on a thread of its own, one at a time, so that a step never waits for the
// disk. What went wrong there is told by the next poll() or wait().
//
// Idle     -> start() -> Writing. Nothing to report.
// Writing  the thread reads the snapshot; nobody may change it. Ends when the folder has its name
//          or writing failed.
// Written  poll() or wait() hands over the outcome, once -> Idle.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/result.h"
#include "store/file_system.h"
#include "train/detail/checkpoint.h"

namespace panal::train::detail {

/// One thread drives it. The destructor lets the checkpoint in flight come to its end.
class CheckpointWriter {
 public:
  CheckpointWriter(store::FileSystem& files, std::filesystem::path folder)
      : files_(files), folder_(std::move(folder)) {}

  /// In flight or not yet reported.
  bool is_busy() const { return thread_.joinable(); }
  /// Writes `snapshot`, then removes what `policy` does not keep. Only when not busy; the snapshot
  /// must stay as it is until the outcome was handed over.
  void start(const Snapshot& snapshot, const CheckpointPolicy& policy);
  /// The folder written or what went wrong; nothing while it is still being written, or when idle.
  std::optional<Result<std::filesystem::path>> poll();
  /// The same, after waiting for the end of the writing; nothing when idle.
  std::optional<Result<std::filesystem::path>> wait();

 private:
  store::FileSystem& files_;  // Outlives the writer.
  const std::filesystem::path folder_;
  std::optional<Result<std::filesystem::path>> outcome_;  // The thread's until it has ended.
  std::atomic<bool> has_ended_{false};
  std::jthread thread_;  // The last member: it is joined before the others go.
};

}  // namespace panal::train::detail
