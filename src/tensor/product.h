// One matrix product by whatever is fastest on this CPU: our own kernels (kernels/cpu/product.h),
// or one of the two libraries inside torch. On an AMD CPU with AVX-512 ours reach 210 to 225
// GFLOP/s a core in bfloat16 and 105 to 111 in float32 where the libraries reach 170 to 210 and 85
// to 106; they also write float32 sums of bfloat16 factors, which torch's do not. Without autograd.
#pragma once

#include <ATen/core/Tensor.h>

namespace panal::tensor {

/// a [m, k] times b [k, n], both float32 or both bfloat16, each contiguous in rows or in columns:
/// [m, n] of `type`, which is float32 or the factors' own. On the CPU.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, at::ScalarType type);

/// The same into `sum` [m, n] float32, contiguous: instead of what it holds, or added to that.
void product_into(const at::Tensor& sum, const at::Tensor& a, const at::Tensor& b, bool adds);

/// product(a, b, its own type) + bias by our own kernels; undefined where they are not the fastest,
/// or do not take such factors. bias [n] in the factors' type, or undefined.
at::Tensor own_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias);

/// product(a, b, its own type) whose rows may lie further apart than their width: rows a power of
/// two of bytes apart would share few places in the caches, and both passes over them read several.
at::Tensor product_in_apart_rows(const at::Tensor& a, const at::Tensor& b);

}  // namespace panal::tensor
