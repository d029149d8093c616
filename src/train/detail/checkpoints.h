// The checkpoints of a run: when one is due, writing it beside the training, which ones stay, and
// from which one a call goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/result.h"
#include "train/detail/checkpoint_writer.h"
#include "train/detail/run_context.h"
#include "train/detail/stability.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

class Checkpoints {
 public:
  /// All of them outlive it.
  Checkpoints(const RunContext& context, DiskPatience& patience, const Stability& stability);

  /// The newest checkpoint that is whole, into `trainer` and `stability`; others are told of.
  /// Nothing when there is none. Errors: kCorrupt when there are some and none can be used.
  Result<std::optional<Counters>> restore(Trainer& trainer, Stability& stability);
  /// The newest one worth going back to, likewise, with newer ones removed first, so that no resume
  /// begins from one of them. Nothing when there is none. Only while none is being written.
  Result<std::optional<Counters>> restore_good(Trainer& trainer, Stability& stability);

  /// Whether one must be written after this step; not for the last one, which is written anyhow.
  bool is_due(std::int64_t step) const;
  /// The state of this step is worth keeping: it was the best, and no checkpoint has it.
  void note_best() { best_is_unsaved_ = true; }
  /// A checkpoint has the state of the best evaluation already.
  void forget_best() { best_is_unsaved_ = false; }
  /// Training stands still for the copy only; where memory is short (`asynchronous: false`) nothing
  /// is copied and it stands still until the disk has everything. Only when none is in flight.
  Status write(const Counters& counters, Trainer& trainer);
  /// Takes note of a checkpoint that is written; with `waits`, of the one still in flight too.
  Status collect(bool waits);
  bool has_saved(std::int64_t step) const { return saved_step_ == step; }
  /// Removes what a killed call left, or a config that keeps fewer has no use for.
  void tidy(const Counters& counters) const;

 private:
  CheckpointPolicy policy(const Counters& counters) const;
  std::int64_t newest_good_step(const Counters& counters) const;  // -1: none.

  const RunContext& context_;
  DiskPatience& patience_;
  const Stability& stability_;
  const std::filesystem::path folder_;
  Snapshot snapshot_;  // Of the checkpoint in flight: the writer's until its outcome is collected.
  CheckpointWriter writer_;       // After the snapshot: it is joined before the buffers go.
  std::int64_t saved_step_ = -1;  // -1: nothing saved yet.
  Nanoseconds last_save_;
  bool best_is_unsaved_ = false;
};

}  // namespace panal::train::detail
