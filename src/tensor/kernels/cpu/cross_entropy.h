// Softmax cross entropy and its gradient in place, three reads and one write of the logits. Plain
// pointers, one thread; the callers split rows over threads.
#pragma once

#include <cstdint>

namespace panal::tensor::cpu {

/// Cross entropy of each row of logits [rows, width] against its target (-100: 0 and no gradient).
/// With gradient_scale not 0, logits are replaced by gradient_scale * d(loss) / d(logits); else
/// they stay.
void cross_entropy(float* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses);
/// The same with logits and gradient as the bits of bfloat16; sums in float32.
void cross_entropy(std::uint16_t* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses);

}  // namespace panal::tensor::cpu
