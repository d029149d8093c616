// Operations of torch over the compute threads of kernels/compute_pool.h: torch itself computes on
// the thread that calls it (runtime.h), so what is large is cut into slices.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <array>

#include "kernels/compute_pool.h"
#include "tensor/runtime.h"

namespace panal::tensor {

/// kernels::for_chunks() whose chunks call torch: without autograd, in the caller's inference mode,
/// each on its thread alone. body(begin, end).
template <typename Body>
void for_library_chunks(std::int64_t count, std::int64_t chunk, const Body& body) {
  const bool is_inference = c10::InferenceMode::is_enabled();
  kernels::for_chunks(count, chunk, [&](std::int64_t begin, std::int64_t end, int) {
    use_one_library_thread();
    const c10::InferenceMode mode(is_inference);
    const at::NoGradGuard no_gradient;
    body(begin, end);
  });
}

/// Elements of a slice: torch needs microseconds to begin an operation.
constexpr std::int64_t kElementsPerSlice = 1 << 16;

/// Calls body(slices) for slices of contiguous tensors of one number of elements, each a flat
/// tensor, without autograd: body([y_slice, x_slice]) for {y, x}. Pays from some 100,000 elements.
template <std::size_t kTensors, typename Body>
void over_slices(const std::array<at::Tensor, kTensors>& tensors, const Body& body) {
  std::array<at::Tensor, kTensors> flat;
  for (std::size_t i = 0; i < kTensors; ++i) flat[i] = tensors[i].detach().view({-1});
  for_library_chunks(flat[0].numel(), kElementsPerSlice, [&](std::int64_t begin, std::int64_t end) {
    std::array<at::Tensor, kTensors> slices;
    for (std::size_t i = 0; i < kTensors; ++i) slices[i] = flat[i].narrow(0, begin, end - begin);
    body(slices);
  });
}

/// x.to(type), without autograd.
at::Tensor converted(const at::Tensor& x, at::ScalarType type);
/// to.copy_(from) for tensors of one shape, without autograd.
void convert_into(const at::Tensor& to, const at::Tensor& from);

}  // namespace panal::tensor
