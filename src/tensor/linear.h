// The matrix products of every layer, by the faster of the two libraries inside torch: oneDNN for
// products with a weight, MKL for the weight's gradient (measured on AMD: 167-204 against 137-167
// GFLOP/s, equal on Intel).
#pragma once

#include <cstdint>

namespace at {
class Tensor;
}

namespace panal::tensor {

/// x [..., in] times weight [out, in] transposed, float32: [..., out], differentiable in both. A
/// weight that needs no gradient costs none.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight);
/// x [..., in] times weight [in, out], the layout of GPT-2's files.
at::Tensor linear_in_out(const at::Tensor& x, const at::Tensor& weight);

/// a [m, k] times b [n, k] transposed: [m, n], without autograd. b may be the transpose of a
/// contiguous matrix.
at::Tensor product_nt(const at::Tensor& a, const at::Tensor& b);

}  // namespace panal::tensor
