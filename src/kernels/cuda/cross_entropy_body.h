#pragma once

#include <cfloat>
#include <cmath>

#include "kernels/cuda/block.h"
#include "kernels/cuda/cross_entropy.h"

namespace panal::kernels::cuda {

/// exp(x_1) + ... = total * exp(largest).
struct Exponentials {
  float largest = -FLT_MAX;
  float total = 0;
};
PANAL_DEVICE Exponentials joined(const Exponentials& a, const Exponentials& b) {
  const float largest = a.largest < b.largest ? b.largest : a.largest;
  return {largest,
          a.total * std::exp(a.largest - largest) + b.total * std::exp(b.largest - largest)};
}

/// Over all threads, in each of them, in a fixed order.
template <typename Block>
PANAL_DEVICE Exponentials block_exponentials(Block& block, Exponentials mine) {
  float* const parts = reinterpret_cast<float*>(block.shared());
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    // Both partners join in the same order, so that both get the same bits.
    const float largest = block.shuffle_xor(mine.largest, mask);
    const float total = block.shuffle_xor(mine.total, mask);
    const Exponentials other{largest, total};
    mine = (block.thread() & mask) == 0 ? joined(mine, other) : joined(other, mine);
  }
  const int warp = block.thread() / kWarp;
  if (block.thread() % kWarp == 0) {
    parts[2 * warp] = mine.largest;
    parts[2 * warp + 1] = mine.total;
  }
  block.barrier();
  Exponentials all{parts[0], parts[1]};
  for (int other = 1; other < block.threads() / kWarp; ++other)
    all = joined(all, Exponentials{parts[2 * other], parts[2 * other + 1]});
  block.barrier();
  return all;
}

template <typename Value>
inline Geometry geometry(const CrossEntropy<Value>& op) {
  return {.blocks = op.rows, .threads = op.width < 4096 ? 128 : 512};
}
template <typename Block, typename Value>
PANAL_DEVICE void body(Block& block, const CrossEntropy<Value>& op) {
  const std::int64_t row = block.index(), target = op.targets[row];
  Value* const logits = op.logits + row * op.width;
  const bool aligned = are_aligned(logits);
  const bool is_first = block.thread() == 0;
  if (target < 0 || target >= op.width) {
    const float result = target == -100 ? 0.0f : NAN;
    if (is_first) op.losses[row] = result;
    if (op.gradient_scale == nullptr) return;
    for_row(block, op.width, aligned, [&](std::int64_t i, auto count) {
      auto values = load(logits + i, count);
      for (int k = 0; k < count.value; ++k) values.at[k] = result;
      store(logits + i, values);
    });
    return;
  }
  const float cap = op.soft_cap;
  const auto capped = [&](float x) { return cap > 0 ? cap * std::tanh(x / cap) : x; };
  const float wanted = capped(to_float(logits[target]));
  Exponentials mine;
  for_row(block, op.width, aligned, [&](std::int64_t i, auto count) {
    auto values = load(logits + i, count);
    float largest = mine.largest;
    for (int k = 0; k < count.value; ++k) {
      values.at[k] = capped(values.at[k]);
      largest = values.at[k] > largest ? values.at[k] : largest;
    }
    mine.total *= std::exp(mine.largest - largest);
    mine.largest = largest;
    for (int k = 0; k < count.value; ++k) mine.total += std::exp(values.at[k] - largest);
  });
  // Its barriers also keep the logit of the target from being written before all have read it.
  const Exponentials all = block_exponentials(block, mine);
  if (is_first) op.losses[row] = std::log(all.total) + all.largest - wanted;
  if (op.gradient_scale == nullptr) return;
  const float whole = *op.gradient_scale, scale = whole / all.total;
  for_row(block, op.width, aligned, [&](std::int64_t i, auto count) {
    auto values = load(logits + i, count);
    for (int k = 0; k < count.value; ++k) {
      const float z = capped(values.at[k]);
      float gradient = std::exp(z - all.largest) * scale;
      if (i + k == target) gradient -= whole;
      values.at[k] = cap > 0 ? gradient * (1.0f - (z / cap) * (z / cap)) : gradient;
    }
    store(logits + i, values);
  });
}

}  // namespace panal::kernels::cuda
