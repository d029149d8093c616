// The seam between two halves of a transformer layer in one pass: what a half gives is added to the
// residual stream, and the sum is normed for the next half. The stream is float32; what halves take
// and give is float, or the bits of bfloat16. Plain pointers, one thread.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

struct NormPlan {
  std::int64_t rows = 0, width = 0;
  float epsilon = 1e-5f;
  const float* weight = nullptr;  // [width]
  const float* bias = nullptr;    // [width], or null.
  /// Subtracts the mean: LayerNorm (Ba et al., 2016); else RMSNorm (Zhang and Sennrich, 2019).
  bool is_centered = false;
};

/// sum = x + delta, y = norm(sum). delta null: y = norm(x), and sum is not written. means [rows] is
/// written only when centered; inverses [rows] are 1 / standard deviation, or 1 / root mean square.
void add_norm(const NormPlan& plan, const float* x, const float* delta, float* sum, float* y,
              float* means, float* inverses);
void add_norm(const NormPlan& plan, const float* x, const std::uint16_t* delta, float* sum,
              std::uint16_t* y, float* means, float* inverses);

/// What the backward pass of add_norm reads and writes.
template <typename Element>
struct NormGradients {
  const float* sum;    // What was normed.
  const float* means;  // Null unless centered.
  const float* inverses;
  const float* sum_gradient;  // From the stream itself, or null.
  const Element* y_gradient;
  float* x_gradient;
  Element* delta_gradient;  // x_gradient in delta's type, or null.
  float* weight_gradient;   // [width], added to; or null.
  float* bias_gradient;     // Likewise.
};
void add_norm_backward(const NormPlan& plan, const NormGradients<float>& gradients);
void add_norm_backward(const NormPlan& plan, const NormGradients<std::uint16_t>& gradients);

}  // namespace panal::kernels::cpu
