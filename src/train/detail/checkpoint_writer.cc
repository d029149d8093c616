#include "train/detail/checkpoint_writer.h"

#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace panal::train::detail {

void CheckpointWriter::start(const Snapshot& snapshot, const CheckpointPolicy& policy) {
  PANAL_CHECK(!is_busy(), "one checkpoint is written at a time");
  outcome_.reset();
  has_ended_ = false;
  thread_ = std::jthread([this, &snapshot, policy] {
    outcome_ = capture([&] { return save_checkpoint(files_, folder_, snapshot, policy.verifies); });
    if (outcome_->ok()) remove_old_checkpoints(folder_, policy);
    has_ended_ = true;
  });
}

std::optional<Result<std::filesystem::path>> CheckpointWriter::poll() {
  if (!is_busy() || !has_ended_) return std::nullopt;
  return wait();
}

std::optional<Result<std::filesystem::path>> CheckpointWriter::wait() {
  if (!is_busy()) return std::nullopt;
  thread_.join();
  return std::exchange(outcome_, std::nullopt);
}

}  // namespace panal::train::detail
