// The tensors of several ranks, which each compute on a CUDA device of their own, are added up and
// handed round from device to device, in a stream beside the one that computes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "kernels/cuda/communicator.h"
#include "tensor/event.h"

namespace panal::tensor {

/// A contiguous tensor of the group's device.
struct Share {
  at::Tensor values{};
  int root = 0;  // The rank that gets their sum, or whose they are.
};

/// One rank's place in it. All ranks make the same calls, with the same shapes and roots, in the
/// same order. One thread at a time, which must have entered the device (tensor/device.h).
///
/// No call waits for the device or for another rank. After each of joining, reduce() and
/// broadcast(), is_issued() must have become true before the next call but abort(). Errors are
/// kernels/cuda/communicator.h's.
class Communicator {
 public:
  using Id = kernels::cuda::CommunicatorId;

  /// Why tensors on `device` cannot be exchanged like this, as a sentence; empty when they can.
  static std::string why_not(const c10::Device& device);
  /// On one rank, for all of them.
  static Id make_id() { return kernels::cuda::make_communicator_id(); }

  Communicator(const c10::Device& device, const Id& id, int rank, int size);

  /// What the group does from here on comes after the event.
  void wait_for(const Event& event);
  /// Runs `work`, whose operations go into the group's stream. Tensors it makes belong there: when
  /// they are freed, what uses their memory next must come after the group's next wait_for().
  void within(const std::function<void()>& work);
  /// Float32 values become their sums at their root, and stay as they are elsewhere.
  void reduce(std::span<const Share> shares);
  /// Values of any type become their root's.
  void broadcast(std::span<const Share> shares);
  bool is_issued() { return communicator_.is_issued(); }
  /// After all that the group has been given.
  Event record() const;
  void abort() { communicator_.abort(); }

 private:
  void* native_stream() const;

  std::optional<c10::Stream> stream_;  // None in tests, where the device is the host.
  kernels::cuda::Communicator communicator_;
};

}  // namespace panal::tensor
