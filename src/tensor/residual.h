// The residual stream between the halves of a layer: adding what a half gives and norming the sum
// for the next one, in one pass and differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include "tensor/precision.h"

namespace panal::tensor {

struct NormWeights {
  at::Tensor weight;  // [width] float32
  at::Tensor bias{};  // [width] float32: LayerNorm; undefined: RMSNorm.
  double epsilon = 1e-5;
};

struct Normed {
  at::Tensor sum;     // [..., width] float32: the stream with delta added.
  at::Tensor values;  // [..., width], normed; bfloat16 when asked for.
};

/// x [..., width] float32; delta undefined, or of x's shape in the type of the result `values`:
/// float32, or bfloat16 for kBFloat16. Without delta, `sum` is x.
Normed add_norm(const at::Tensor& x, const at::Tensor& delta, const NormWeights& norm,
                Precision precision);

}  // namespace panal::tensor
