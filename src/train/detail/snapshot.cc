#include "train/detail/snapshot.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "tensor/runtime.h"

namespace panal::train::detail {
namespace {

void copy_tensors(std::span<const tensor::NamedTensor> from, std::vector<tensor::NamedTensor>& to) {
  to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    const at::Tensor& value = from[i].value;
    at::Tensor& buffer = to[i].value;
    const bool fits = buffer.defined() && buffer.scalar_type() == value.scalar_type() &&
                      buffer.sizes() == value.sizes();
    if (!fits) buffer = at::empty(value.sizes(), value.scalar_type());
    buffer.copy_(value);
    to[i].name = from[i].name;
  }
}

std::vector<tensor::NamedTensor> moments_of(const optim::Optimizer& optimizer) {
  std::vector<tensor::NamedTensor> moments = optimizer.state();
  moments.push_back({kRandomState, tensor::random_state()});
  return moments;
}

}  // namespace

void copy_state(const Counters& counters, std::span<const tensor::NamedTensor> parameters,
                const optim::Optimizer& optimizer, Snapshot& snapshot) {
  const at::NoGradGuard no_gradients;
  snapshot.counters = counters;
  snapshot.optimizer_steps = optimizer.num_steps();
  copy_tensors(parameters, snapshot.weights);
  copy_tensors(moments_of(optimizer), snapshot.moments);
}

void borrow_state(const Counters& counters, std::span<const tensor::NamedTensor> parameters,
                  const optim::Optimizer& optimizer, Snapshot& snapshot) {
  snapshot.counters = counters;
  snapshot.optimizer_steps = optimizer.num_steps();
  snapshot.weights.assign(parameters.begin(), parameters.end());
  snapshot.moments = moments_of(optimizer);
}

}  // namespace panal::train::detail
