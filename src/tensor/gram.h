// The products of a Newton-Schulz iteration, X <- a X + (b G + c G G) X with G = X X^T: what the
// CPU's library or a CUDA device does fastest. Matrices are [n, m] with n <= m, all float32 or all
// bfloat16 with float32 sums; without autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include "tensor/precision.h"

namespace panal::tensor {

/// matrix / (factor * norm + epsilon) with its Frobenius norm, its shorter side first: transposed
/// when tall. matrix: float32, any strides. The host does not wait for the norm.
at::Tensor normalised(const at::Tensor& matrix, double factor, double epsilon, Precision precision);

/// X X^T [n, n]. On CUDA devices before Hopper in bfloat16 from half of the tiles, mirrored
/// (kernels/cuda/newton_schulz.h); later ones multiply faster by instructions that only the library
/// uses.
at::Tensor gram(const at::Tensor& x);

/// b G + c G G for a symmetric G.
at::Tensor gram_polynomial(const at::Tensor& gram, double b, double c);

/// a X + P X.
at::Tensor added_product(const at::Tensor& x, double a, const at::Tensor& polynomial);

}  // namespace panal::tensor
