// Softmax cross entropy and its gradient in place, three reads and one write of the logits. Plain
// pointers, one thread; the callers split rows over threads.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

/// Cross entropy of each row of logits [rows, width] against its target (-100: 0 and no gradient).
/// With gradient_scale not 0, logits are replaced by gradient_scale * d(loss) / d(logits); else
/// they stay. soft_cap not 0: the loss is that of soft_cap * tanh(logits / soft_cap), the gradient
/// still by the logits. Source of the cap: Gemma Team, "Gemma 2", 2024, section 2.
void cross_entropy(float* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses, float soft_cap = 0);
/// The same with logits and gradient as the bits of bfloat16; sums in float32. scratch [width] or
/// null: there the exponentials wait between the sum and the gradient, instead of being computed
/// twice.
void cross_entropy(std::uint16_t* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses, float soft_cap = 0,
                   float* scratch = nullptr);

}  // namespace panal::kernels::cpu
