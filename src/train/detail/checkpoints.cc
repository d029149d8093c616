#include "train/detail/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/device.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {

Checkpoints::Checkpoints(const RunContext& context, DiskPatience& patience,
                         const Stability& stability)
    : context_(context),
      patience_(patience),
      stability_(stability),
      folder_(context.at("checkpoints")),
      writer_(context.environment.files, folder_),
      last_save_(context.environment.clock.steady_now()) {}

Result<std::optional<Counters>> Checkpoints::restore(Trainer& trainer, Stability& stability) {
  const auto checkpoints = list_checkpoints(folder_);
  Status last_error;
  for (const auto& checkpoint : checkpoints) {
    auto loaded = load_checkpoint(checkpoint, trainer.trainable(), trainer.whole_optimizer());
    last_error = loaded.status();
    if (last_error.ok()) last_error = stability.restore(*loaded, checkpoint.string());
    if (last_error.ok()) last_error = trainer.stream().restore(loaded->stream);
    if (last_error.ok()) {
      saved_step_ = loaded->step;
      return std::optional(std::move(*loaded));
    }
    context_.events.on_message(fmt::format("checkpoint {} cannot be used: {}",
                                           checkpoint.filename().string(), last_error.message()));
  }
  if (checkpoints.empty()) return std::optional<Counters>();
  return last_error.with_context(
      fmt::format("none of {} checkpoints can be used", checkpoints.size()));
}

Result<std::optional<Counters>> Checkpoints::restore_good(Trainer& trainer, Stability& stability) {
  const auto checkpoints = list_checkpoints(folder_);
  const auto target = std::ranges::find_if(checkpoints, [this](const auto& checkpoint) {
    const auto counters = read_counters(checkpoint);
    return counters.ok() && stability_.is_good(*counters);
  });
  if (target == checkpoints.end()) return std::optional<Counters>();
  PANAL_ASSIGN(Counters good,
               load_checkpoint(*target, trainer.trainable(), trainer.whole_optimizer()));
  PANAL_TRY(stability.restore(good, target->string()));
  std::for_each(checkpoints.begin(), target, remove_checkpoint);
  saved_step_ = good.step;
  best_is_unsaved_ = false;
  return std::optional(std::move(good));
}

// By steps every checkpoint is made, if need be after waiting for the one before it; by time it may
// as well be made a little later.
bool Checkpoints::is_due(std::int64_t step) const {
  const auto& when = context_.config.checkpoint;
  if (when.every_steps > 0 && step % when.every_steps == 0) return true;
  if (best_is_unsaved_) return true;
  return !writer_.is_busy() && when.every_seconds > 0 &&
         seconds(context_.environment.clock.steady_now() - last_save_) >= when.every_seconds;
}

Status Checkpoints::write(const Counters& counters, Trainer& trainer) {
  tensor::finish_work(trainer.decoder().device());  // The writer's thread has a stream of its own.
  const bool is_asynchronous = context_.config.checkpoint.asynchronous;
  const auto take = is_asynchronous ? copy_state : borrow_state;
  take(counters, trainer.trainable(), trainer.whole_optimizer(), snapshot_);
  writer_.start(snapshot_, policy(counters));
  last_save_ = context_.environment.clock.steady_now();
  best_is_unsaved_ = false;
  return is_asynchronous ? Status() : collect(true);
}

Status Checkpoints::collect(bool waits) {
  const SignOfLife busy(waits ? context_.ranks.group() : nullptr);
  auto outcome = waits ? writer_.wait() : writer_.poll();
  if (!outcome) return Status();
  // The snapshot is still what it was, so a write that found no room can be repeated from it.
  PANAL_TRY(patience_.keep_trying([&]() -> Status {
    if (!outcome) {
      writer_.start(snapshot_, policy(snapshot_.counters));
      outcome = writer_.wait();
    }
    const Status status = outcome->status();
    if (!status.ok()) outcome.reset();
    return status;
  }));
  saved_step_ = snapshot_.counters.step;
  context_.events.on_checkpoint(saved_step_, **outcome);
  return Status();
}

void Checkpoints::tidy(const Counters& counters) const {
  remove_old_checkpoints(folder_, policy(counters));
}

CheckpointPolicy Checkpoints::policy(const Counters& counters) const {
  const auto& checkpoint = context_.config.checkpoint;
  CheckpointPolicy policy{.good_step = newest_good_step(counters),
                          .keep = checkpoint.keep,
                          .keep_every_steps = checkpoint.keep_every_steps,
                          .verifies = checkpoint.verify};
  if (checkpoint.keep_best && counters.best_evaluation) {
    policy.best_step = counters.best_evaluation->step;
  }
  return policy;
}

std::int64_t Checkpoints::newest_good_step(const Counters& counters) const {
  if (stability_.is_good(counters)) return counters.step;
  for (const auto& checkpoint : list_checkpoints(folder_)) {
    const auto found = read_counters(checkpoint);
    if (found.ok() && stability_.is_good(*found)) return found->step;
  }
  return -1;
}

}  // namespace panal::train::detail
