// The matrix products of every layer: by our own kernels where they are the fastest (product.h),
// else by the faster of the two libraries inside torch, which is oneDNN for products with a weight
// and MKL for the weight's gradient. With a rounded copy of the weight they run in bfloat16 with
// float32 sums, where the CPU has such instructions twice as fast.
#pragma once

#include <ATen/core/Tensor.h>

#include "tensor/recompute.h"

namespace panal::tensor {

/// A weight as products see it.
struct Weight {
  at::Tensor value;  // [out, in] float32 or bfloat16, maybe a transposed view; gets the gradient.
  at::Tensor
      rounded{};  // Of float32: its bfloat16 copy, which products read instead, or undefined.

  const at::Tensor& read() const { return rounded.defined() ? rounded : value; }
};

/// x [..., in] times the weight transposed, plus bias [out] where there is one: [..., out] of x's
/// type, differentiable in all three. A weight that needs no gradient costs none. Where products
/// read bfloat16, x, the result and the gradients are rounded to it once each; x may then be
/// bfloat16 already, and so is the result.
at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias = {});
/// The same, with x made again for the gradient of the weight instead of kept, where `remake` is
/// not empty.
at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias,
                  const Remake& remake);

/// A low-rank addition to a frozen weight: scale * up down, as LoRA has it.
struct Adapter {
  at::Tensor down;  // A [rank, in]
  at::Tensor up;    // B [out, rank]
  double scale = 1.0;
};
/// linear(x, weight) + scale * (x down^T) up^T, the adapter in float32 throughout. The weight gets
/// no gradient. Beside the product with the weight it costs one pass over x and one over the
/// result, for ranks up to some dozens.
at::Tensor linear_with_adapter(const at::Tensor& x, const Weight& weight, const Adapter& adapter);

/// a [m, k] times b [n, k] transposed: [m, n], both float32 or both bfloat16, without autograd. b
/// may be the transpose of a contiguous matrix. bias [n] of the same type is added where defined.
at::Tensor product_nt(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias = {});

}  // namespace panal::tensor
