// Activations of the feed-forward part, forward and backward in one pass each.
// Value: float, or std::uint16_t for the bits of bfloat16; arithmetic is float32.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

enum class Kind {
  kSwiGlu,       // silu(gate) * up: Shazeer, "GLU Variants Improve Transformer", 2020.
  kGelu,         // The tanh form: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
  kReluSquared,  // max(gate, 0)^2: So et al., "Primer", 2021.
};

/// y = activation(gate, up), `count` elements; up is read by kSwiGlu only.
template <typename Value, Kind kKind>
struct Activation {
  const Value* gate = nullptr;
  const Value* up = nullptr;
  std::int64_t count = 0;
  Value* y = nullptr;
};
/// The gradients of gate and up from dy; d_gate may be gate's own memory, d_up up's.
template <typename Value, Kind kKind>
struct ActivationBackward {
  const Value* dy = nullptr;
  const Value* gate = nullptr;
  const Value* up = nullptr;
  std::int64_t count = 0;
  Value* d_gate = nullptr;
  Value* d_up = nullptr;
};

}  // namespace panal::kernels::cuda
