// The door between tensors and the kernels for CUDA devices: which tensors they are for, and how
// they get into the stream that torch's own operations on the same device go into.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cuda/launch.h"

namespace panal::tensor::on_device {

/// True where an operation over x runs by the kernels for CUDA devices: x lies on one, or tests
/// have put their simulation of one in its place, whose memory is the host's.
bool takes(const at::Tensor& x);

/// The stream that torch uses on x's device now (a cudaStream_t).
void* stream_of(const at::Tensor& x);

template <typename Operation>
void launch(const at::Tensor& x, const Operation& operation) {
  kernels::cuda::launch(operation, stream_of(x));
}

/// The elements as kernels see them, null when undefined. Value: float, std::int64_t, or
/// std::uint16_t for the bits of bfloat16.
template <typename Value>
Value* elements(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<Value*>(tensor.mutable_data_ptr()) : nullptr;
}

/// Calls body(float{}) or body(std::uint16_t{}) by the type of x, float32 or bfloat16.
template <typename Body>
void with_value(const at::Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(std::uint16_t{});
  }
}

/// `bytes` copied to x's device: a uint8 tensor. The host does not wait: the bytes are read from
/// pinned memory that is given back when the copy is done.
at::Tensor copied_to(const at::Tensor& x, const void* from, std::size_t bytes);

}  // namespace panal::tensor::on_device
