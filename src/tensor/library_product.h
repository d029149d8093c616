// Matrix products by the two libraries inside torch: oneDNN, for products with a weight, and MKL.
// Their own threads divide a product evenly and wait for the slowest, so they run on one thread
// each, and the compute threads take pieces of the result. How it is cut depends on its shape
// alone. Without autograd; on a CUDA device the device's library computes the whole.
#pragma once

#include <ATen/core/Tensor.h>

namespace panal::tensor {

/// a [m, k] times b [k, n] of one type into `result` [m, n] of that type: instead of what it holds,
/// or added to that.
void library_product_into(const at::Tensor& result, const at::Tensor& a, const at::Tensor& b,
                          bool adds);
/// a times b: [m, n].
at::Tensor library_product(const at::Tensor& a, const at::Tensor& b);

/// a [m, k] times b [n, k] transposed, plus bias [n] where defined: [m, n]. By oneDNN where this
/// torch has it; in bfloat16 on a CPU that oneDNN has no such product for, in float32 and rounded.
at::Tensor library_product_nt(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias);

}  // namespace panal::tensor
