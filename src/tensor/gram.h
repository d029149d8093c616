// The products of a Newton-Schulz iteration, X <- a X + (b G + c G G) X with G = X X^T: what the
// CPU's library or a CUDA device does fastest. All are of `count` matrices of one shape at once,
// [count, n, m] with n <= m, contiguous, all float32 or all bfloat16 with float32 sums; without
// autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include "tensor/precision.h"

namespace panal::tensor {

/// True where several small matrices at once take less time than one after the other: on devices,
/// which one of them does not fill, or where it is done before the next one is launched.
bool gains_from_several(const at::Tensor& x);

/// Each of the matrices [count, rows, columns] (float32, any strides) / (factor * norm + epsilon)
/// with its Frobenius norm, its shorter side first: transposed when tall. The host does not wait
/// for the norms.
at::Tensor normalised(const at::Tensor& matrices, double factor, double epsilon,
                      Precision precision);

/// X X^T [count, n, n]. On CUDA devices before Hopper in bfloat16 from half of the tiles, mirrored
/// (kernels/cuda/newton_schulz.h); later ones multiply faster by instructions that only the library
/// uses.
at::Tensor gram(const at::Tensor& x);

/// b G + c G G for a symmetric G.
at::Tensor gram_polynomial(const at::Tensor& gram, double b, double c);

/// a X + P X.
at::Tensor added_product(const at::Tensor& x, double a, const at::Tensor& polynomial);

}  // namespace panal::tensor
