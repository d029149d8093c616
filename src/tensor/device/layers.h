// The fused steps of a layer by the kernels for CUDA devices: what residual.cc and layers.cc run
// there in the place of their CPU kernels. Tensors are contiguous, on one device; float32 or
// bfloat16 where it says Value. Undefined tensors are left out.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cuda/activation.h"

namespace panal::tensor::on_device {

struct NormInput {
  at::Tensor weight;  // [width]
  at::Tensor bias;    // [width]: LayerNorm; undefined: RMSNorm.
  double epsilon = 1e-5;
};

/// sum = x + delta (undefined delta: not written), y = norm(sum). x, sum [rows, width] float32;
/// delta, y Value; means and inverses [rows].
void add_norm(const at::Tensor& x, const at::Tensor& delta, const NormInput& norm,
              const at::Tensor& sum, const at::Tensor& y, const at::Tensor& means,
              const at::Tensor& inverses);

struct NormGradients {
  at::Tensor weight;  // [width]
  at::Tensor bias;    // [width], with a bias.
};
/// x_gradient float32 and, where defined, delta_gradient Value; from y_gradient Value and what
/// flows past the norm.
NormGradients add_norm_backward(const at::Tensor& sum, const NormInput& norm,
                                const at::Tensor& means, const at::Tensor& inverses,
                                const at::Tensor& y_gradient, const at::Tensor& sum_gradient,
                                const at::Tensor& x_gradient, const at::Tensor& delta_gradient);

/// y = activation(gate, up); up is defined for kSwiGlu alone.
void activation(kernels::cuda::Kind kind, const at::Tensor& gate, const at::Tensor& up,
                const at::Tensor& y);
void activation_backward(kernels::cuda::Kind kind, const at::Tensor& dy, const at::Tensor& gate,
                         const at::Tensor& up, const at::Tensor& d_gate, const at::Tensor& d_up);

/// Heads of x [B, T, heads, head_width] normed (with a weight), then rotated by the position t.
/// inverses [B, T, heads] are written where there is a weight.
struct HeadRotation {
  at::Tensor cosine, sine;  // [at least T, head_width / 2]
  at::Tensor weight;        // [head_width], or undefined.
  double epsilon = 1e-5;
};
void rotate_heads(const at::Tensor& x, const HeadRotation& rotation, const at::Tensor& y,
                  const at::Tensor& inverses);
/// The gradient of x into dx; gives that of the weight. x and inverses are read with a weight only.
at::Tensor rotate_heads_backward(const at::Tensor& dy, const at::Tensor& x,
                                 const HeadRotation& rotation, const at::Tensor& inverses,
                                 const at::Tensor& dx);

/// losses [rows] of logits [rows, width] Value for targets [rows] int64; with `scale` (one float32
/// on the device) the logits become their gradient times it.
void cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scale,
                   double soft_cap, const at::Tensor& losses);

}  // namespace panal::tensor::on_device
