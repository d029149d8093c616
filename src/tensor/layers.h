// The steps of a transformer layer that torch does in many passes, each done in one and
// differentiable: on two cores elementwise passes cost as much as the products between them.
// Float32, or bfloat16 computed in float32 where it says so. On a CUDA device by the kernels of
// kernels/cuda, but for rms_norm() and rotate(), which are parts of rotate_heads().
#pragma once

#include <cstdint>

#include "tensor/linear.h"

namespace panal::tensor {

/// x [..., width] divided by its root mean square, times weight [width].
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// Rotary positions, half-split pairs. x [B, T, heads, head_width], token t of each row of B at
/// position t, float32 or bfloat16. cosine, sine [at least T, head_width / 2].
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

/// The same of heads that are normed first where `weight` [head_width] is defined (QK-norm: each
/// head as rms_norm() has it, in float32): queries and keys as attention wants them.
at::Tensor rotate_heads(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                        const at::Tensor& cosine, const at::Tensor& sine);

/// silu(gate) * up, of equal shapes; float32 or bfloat16.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// GELU in its tanh form, float32 or bfloat16. Source: Hendrycks and Gimpel, "Gaussian Error Linear
/// Units", 2016.
at::Tensor gelu(const at::Tensor& x);

/// max(x, 0)^2, float32 or bfloat16. Source: So et al., "Primer: Searching for Efficient
/// Transformers for Language Modeling", 2021.
at::Tensor relu_squared(const at::Tensor& x);

/// Mean cross entropy of a linear head over the targets that are not -100: a scalar with a gradient
/// for hidden [N, C] and weight [V, C]; targets [N] int64. Works in chunks of rows and computes the
/// gradients in the same pass (the loss is a scalar, so they only wait for a factor): at most about
/// 16 M logits exist at a time, and nothing is computed twice. Source: Hsu et al., "Liger Kernel:
/// Efficient Triton Kernels for LLM Training", 2024, its fused linear cross entropy. Throws Error
/// when no target is scored or one is out of range; on a CUDA device, where looking would make the
/// host wait, the loss is NaN then, and chunks are of 64 M logits. With a rounded copy of the
/// weight the logits and their gradient are bfloat16, the loss and its sums float32; so with a
/// bfloat16 weight, whose gradient is rounded once. One backward pass: the gradients are handed
/// over. soft_cap over 0: softmax sees soft_cap * tanh(logits / soft_cap), within the same pass.
at::Tensor head_loss(const at::Tensor& hidden, const Weight& weight, const at::Tensor& targets,
                     double soft_cap = 0);

/// The same per target, without a gradient: [N], 0 where the target is -100. May have no scored
/// target.
at::Tensor head_losses(const at::Tensor& hidden, const at::Tensor& weight,
                       const at::Tensor& targets, double soft_cap = 0);

}  // namespace panal::tensor
