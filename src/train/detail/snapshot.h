// The whole state of a run at one step, ready to be written: counters, weights, optimizer state and
// the random generator. A copy lives in buffers that the next copy reuses, so that training may go
// on while a thread writes it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "optim/optimizer.h"
#include "tensor/named_tensor.h"
#include "train/detail/counters.h"

namespace panal::train::detail {

struct Snapshot {
  Counters counters;
  std::int64_t optimizer_steps = 0;
  std::vector<tensor::NamedTensor> weights;
  std::vector<tensor::NamedTensor> moments;  // optim::Optimizer::state() and the random generator.
};

/// Copies the state into `snapshot` in its stored types; buffers of equal type and shape are
/// reused. Costs one copy of weights and optimizer state in host memory.
void copy_state(const Counters& counters, std::span<const tensor::NamedTensor> parameters,
                const optim::Optimizer& optimizer, Snapshot& snapshot);

/// Only takes handles: right until the next step changes what they point to. Costs no memory.
void borrow_state(const Counters& counters, std::span<const tensor::NamedTensor> parameters,
                  const optim::Optimizer& optimizer, Snapshot& snapshot);

/// The name beside the optimizer's tensors under which the random generator is stored.
inline constexpr const char* kRandomState = "random/cpu";

}  // namespace panal::train::detail
