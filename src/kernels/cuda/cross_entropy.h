// Softmax cross entropy over a chunk of logits and its gradient in their place.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

/// losses [rows] = cross entropy of each row of logits [rows, width] against its target (-100: 0
/// and no gradient). With a gradient_scale the logits become *gradient_scale * d loss / d logits;
/// else they stay. The scale is read on the device, because how many targets count is known there.
/// soft_cap over 0: the softmax is of soft_cap * tanh(logits / soft_cap) (Gemma 2, 2024). A target
/// out of range gives NaN as loss and gradient, because asking for it on the host would make the
/// host wait. Two reads and one write of the logits: maximum and sum are found in one pass (Milakov
/// and Gimelshein, "Online normalizer calculation for softmax", 2018). Value: float, or
/// std::uint16_t for the bits of bfloat16; sums are float32.
template <typename Value>
struct CrossEntropy {
  Value* logits = nullptr;
  const std::int64_t* targets = nullptr;
  std::int64_t rows = 0, width = 0;
  const float* gradient_scale = nullptr;  // Device memory, or null.
  float soft_cap = 0;
  float* losses = nullptr;
};

}  // namespace panal::kernels::cuda
