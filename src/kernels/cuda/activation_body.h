#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/cuda/activation.h"
#include "kernels/cuda/block.h"

namespace panal::kernels::cuda {

inline Geometry flat_geometry(std::int64_t count) {
  constexpr std::int64_t kThreads = 256, kMostBlocks = 1 << 16;
  return {.blocks = std::min(blocks_for(count, kThreads * 8), kMostBlocks), .threads = kThreads};
}
template <typename Block, typename Body>
PANAL_DEVICE void for_all(Block& block, std::int64_t count, bool aligned, const Body& body) {
  for_runs(block.index() * block.threads() + block.thread(), block.blocks() * block.threads(), 0,
           count, aligned, body);
}

PANAL_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
constexpr float kGeluScale = 0.7978845608028654f;  // sqrt(2 / pi)
constexpr float kGeluCube = 0.044715f;

template <Kind kKind>
PANAL_DEVICE float activated(float gate, float up) {
  if constexpr (kKind == Kind::kSwiGlu) {
    return gate * sigmoid(gate) * up;
  } else if constexpr (kKind == Kind::kGelu) {
    return 0.5f * gate * (1.0f + std::tanh(kGeluScale * (gate + kGeluCube * gate * gate * gate)));
  } else {
    return gate > 0.0f ? gate * gate : gate * 0.0f;  // NaN stays NaN.
  }
}
/// d activation / d gate.
template <Kind kKind>
PANAL_DEVICE float slope(float gate, float up) {
  if constexpr (kKind == Kind::kSwiGlu) {
    const float share = sigmoid(gate);
    return up * share * (1.0f + gate * (1.0f - share));
  } else if constexpr (kKind == Kind::kGelu) {
    const float turn = std::tanh(kGeluScale * (gate + kGeluCube * gate * gate * gate));
    return 0.5f * (1.0f + turn) + 0.5f * gate * (1.0f - turn * turn) * kGeluScale *
                                      (1.0f + 3.0f * kGeluCube * gate * gate);
  } else {
    return gate > 0.0f ? 2.0f * gate : gate * 0.0f;
  }
}

template <typename Value, Kind kKind>
inline Geometry geometry(const Activation<Value, kKind>& op) {
  return flat_geometry(op.count);
}
template <typename Block, typename Value, Kind kKind>
PANAL_DEVICE void body(Block& block, const Activation<Value, kKind>& op) {
  constexpr bool kGated = kKind == Kind::kSwiGlu;
  const bool aligned = are_aligned(op.gate, kGated ? op.up : nullptr, op.y);
  for_all(block, op.count, aligned, [&](std::int64_t i, auto count) {
    auto values = load(op.gate + i, count);
    auto up = values;
    if constexpr (kGated) up = load(op.up + i, count);
    for (int k = 0; k < count.value; ++k) values.at[k] = activated<kKind>(values.at[k], up.at[k]);
    store(op.y + i, values);
  });
}

template <typename Value, Kind kKind>
inline Geometry geometry(const ActivationBackward<Value, kKind>& op) {
  return flat_geometry(op.count);
}
template <typename Block, typename Value, Kind kKind>
PANAL_DEVICE void body(Block& block, const ActivationBackward<Value, kKind>& op) {
  constexpr bool kGated = kKind == Kind::kSwiGlu;
  const bool aligned =
      are_aligned(op.dy, op.gate, kGated ? op.up : nullptr, op.d_gate, kGated ? op.d_up : nullptr);
  for_all(block, op.count, aligned, [&](std::int64_t i, auto count) {
    auto gradient = load(op.dy + i, count), gate = load(op.gate + i, count);
    auto up = gate;
    if constexpr (kGated) {
      up = load(op.up + i, count);
      auto of_up = gradient;
      for (int k = 0; k < count.value; ++k)
        of_up.at[k] = gradient.at[k] * gate.at[k] * sigmoid(gate.at[k]);
      store(op.d_up + i, of_up);
    }
    for (int k = 0; k < count.value; ++k) gradient.at[k] *= slope<kKind>(gate.at[k], up.at[k]);
    store(op.d_gate + i, gradient);
  });
}

}  // namespace panal::kernels::cuda
