// One rank's share of the work of a step: its rows of the batch, the exchange of gradients while
// the backward pass still runs, and its part of the optimizer.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "optim/optimizer.h"
#include "recipe/process_shares.h"
#include "swarm/group.h"
#include "tensor/event.h"
#include "tensor/named_tensor.h"
#include "train/detail/gradient_exchange.h"
#include "train/detail/outliers.h"

namespace panal::train::detail {

/// Data parallel training with sharded optimizer states: each rank holds all weights and
/// gradients, and the optimizer state of the parameters it owns.
///
/// Source   Rajbhandari et al., "ZeRO: Memory optimizations toward training trillion parameter
///          models", 2020, stage 1. We differ: whole tensors, not slices, for orthogonalisation.
/// Places   On CUDA devices, one for each rank, gradients and weights go from device to device by
///          NCCL where the build has it, else through the host's memory, as on the CPU.
/// Memory   Beside the model's own: GradientExchange's.
/// Errors   Error(kUnavailable) naming the lost rank. Not thread-safe.
class DataParallel {
 public:
  /// On all ranks, which wait for each other where devices exchange. Throws Error when there are
  /// fewer parameters than ranks. `group` outlives it.
  DataParallel(swarm::Group& group, std::vector<tensor::NamedTensor> parameters, recipe::Rule rule,
               bool through_host = false);
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  /// Whether gradients and weights go from device to device, not through the host's memory.
  bool is_between_devices() const { return between_devices_; }
  std::pair<std::int64_t, std::int64_t> rows(std::int64_t sequences) const {
    return recipe::rows_of_rank(sequences, group_.rank(), group_.size());
  }
  bool is_first() const { return group_.rank() == 0; }
  std::vector<bool> is_owned() const;  // By parameter.

  /// Gradients of the next backward pass leave as soon as a bucket of them is complete, while the
  /// pass goes on.
  void begin_exchange();
  /// Waits until all have come: gradients of owned parameters are the sums over all ranks, others
  /// are gone.
  void finish_exchange();
  /// Of all ranks' owned gradients together; equal bits on all ranks.
  double gradient_norm();
  double sum(double value);
  /// Of all ranks' values; equal on all ranks.
  double largest(double value);
  /// Replaces each value by the largest of all ranks'.
  void largest(std::span<float> values);
  /// What rank 0 says, for decisions that must not differ.
  StepVerdict of_first_rank(StepVerdict verdict);
  /// After the update of owned parameters: every rank gets all weights.
  void share_weights();

  /// Copies every rank's state into rank 0's optimizer over all parameters; the others pass null.
  /// Memory on those: the largest state tensor.
  void gather_state(const optim::Optimizer& own, optim::Optimizer* whole);
  /// The inverse: every rank takes what it owns of rank 0's.
  void scatter_state(const optim::Optimizer* whole, optim::Optimizer& own);
  /// Rank 0's weights become everybody's.
  void broadcast_weights();

 private:
  class ReadyHook;
  void is_ready(std::size_t parameter);
  void communicate();
  bool has_work() const PANAL_REQUIRES(mutex_);
  Status communicate_once(std::size_t bucket, bool may_leave);
  struct StateTensor {
    std::string name;
    std::size_t bytes = 0;
  };
  std::vector<StateTensor> agreed_state(const optim::Optimizer* whole);
  int owner_of_state(std::string_view name) const;

  // How far a bucket is in this pass. Of the thread that runs the backward pass until it may leave.
  struct Progress {
    std::size_t missing = 0;   // Members whose gradient is not there yet.
    tensor::Event computed{};  // When the device has the last of them.
  };

  swarm::Group& group_;
  const ExchangedTensors tensors_;
  const c10::Device device_;  // Where they lie.
  const bool between_devices_;
  std::vector<tensor::NamedTensor> owned_;
  std::vector<Progress> progress_;  // By bucket.
  bool exchanging_ = false;         // Of the thread that runs the backward pass.
  const std::unique_ptr<GradientExchange> exchange_;

  Mutex mutex_;
  ConditionVariable changed_;
  bool in_pass_ PANAL_GUARDED_BY(mutex_) = false;   // From begin_exchange() until all have come.
  std::size_t ready_ PANAL_GUARDED_BY(mutex_) = 0;  // Buckets from the front that may leave.
  std::size_t exchanged_ PANAL_GUARDED_BY(mutex_) = 0;
  bool ends_ PANAL_GUARDED_BY(mutex_) = false;
  Status status_ PANAL_GUARDED_BY(mutex_);  // Of the exchange.
  std::thread thread_;  // Runs communicate(); last, so that it sees everything above.
};

/// Every rank gets what rank 0 has. Errors: the group's, kCorrupt for more than 16 MiB.
Result<std::string> broadcast_text(swarm::Group& group, std::string text);

/// Tells the others that this rank is busy with work of its own, until it is destroyed. No
/// collective may run meanwhile.
class SignOfLife {
 public:
  /// No group: does nothing.
  explicit SignOfLife(swarm::Group* group);
  ~SignOfLife();
  SignOfLife(const SignOfLife&) = delete;
  SignOfLife& operator=(const SignOfLife&) = delete;

 private:
  bool ends_within(Nanoseconds duration) PANAL_REQUIRES(mutex_);

  Mutex mutex_;
  ConditionVariable changed_;
  bool ends_ PANAL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace panal::train::detail
