// How ranks bring gradients to their owners and weights from them: through the host's memory and
// the group's ring (host_exchange.cc), or from CUDA device to CUDA device (device_exchange.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "recipe/parameter_shapes.h"
#include "swarm/group.h"
#include "tensor/event.h"
#include "tensor/named_tensor.h"

namespace panal::train::detail {

/// What recipe divides among ranks by.
std::vector<recipe::ParameterShape> shapes_of(std::span<const tensor::NamedTensor> parameters);

/// Some parameters' gradients (later weights) end to end, those of rank 0 first.
struct Bucket {
  std::vector<std::size_t> members{};
  std::vector<std::size_t> begins{};  // By member, in elements.
  std::vector<std::size_t> ends{};    // By rank.
  std::size_t size = 0;
};

/// What is exchanged: the same on all ranks.
struct ExchangedTensors {
  ExchangedTensors(std::vector<tensor::NamedTensor> parameters, std::vector<int> owners,
                   int num_ranks);

  const std::vector<tensor::NamedTensor> parameters;
  const std::vector<int> owners;       // By parameter.
  const std::vector<Bucket> buckets;   // In the order of the backward pass.
  std::vector<std::size_t> bucket_of;  // By parameter.
  std::size_t largest_bucket_elements() const;
};

/// One thread at a time, which has entered the parameters' device; that thread has the group for
/// itself. All ranks make the same calls in the same order, except look_after_others() and
/// cancel().
///
/// Errors: the group's, which name a lost rank; what failed on this rank's device.
class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  /// Gradients of the bucket become the sums over all ranks at their owners, at the latest when
  /// finish_pass() returns, and are of no use elsewhere. They are there when `computed` is reached;
  /// one that is undefined counts as 0.
  virtual Status reduce(const Bucket& bucket, const tensor::Event& computed) = 0;
  /// After the last bucket of a pass: waits until all have come.
  virtual Status finish_pass() { return Status(); }
  /// Between buckets, while the pass goes on: so that no lost rank keeps this one's device busy.
  virtual Status look_after_others() { return Status(); }
  /// The only call for another thread: a call that waits returns soon, perhaps with kCancelled.
  virtual void cancel() {}

  /// Every parameter becomes what its owner has.
  virtual Status share_weights() = 0;
  /// Every parameter becomes what rank 0 has.
  virtual Status broadcast_weights() = 0;
};

/// Memory: the largest bucket in float32, on the host. The group and the tensors outlive it.
std::unique_ptr<GradientExchange> make_host_exchange(swarm::Group& group,
                                                     const ExchangedTensors& tensors);

/// Where tensor::Communicator takes the parameters' device; on all ranks, which wait for each
/// other. Memory: tensor::kPassingElements of float32 at most, on the device, and only for bfloat16
/// parameters; and what NCCL takes for itself. Throws Error.
std::unique_ptr<GradientExchange> make_device_exchange(swarm::Group& group,
                                                       const ExchangedTensors& tensors);

}  // namespace panal::train::detail
