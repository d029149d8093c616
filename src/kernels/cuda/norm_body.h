#pragma once

#include <cmath>

#include "kernels/cuda/block.h"
#include "kernels/cuda/norm.h"

namespace panal::kernels::cuda {

constexpr int kNormThreads = 256;
/// A run of eight numbers for each thread, as far as a row has them.
inline int norm_threads(std::int64_t width) {
  const std::int64_t warps = blocks_for(width, std::int64_t{8} * kWarp);
  return static_cast<int>(warps < kNormThreads / kWarp ? warps * kWarp : kNormThreads);
}
constexpr int kHeadThreads = 128;  // A warp per head.

template <typename Value>
inline Geometry geometry(const ResidualNorm<Value>& op) {
  return {.blocks = op.rows, .threads = norm_threads(op.width)};
}
template <typename Block, typename Value>
PANAL_DEVICE void body(Block& block, const ResidualNorm<Value>& op) {
  const std::int64_t width = op.width, start = block.index() * width;
  const float* const x = op.x + start;
  const Value* const branch = op.branch == nullptr ? nullptr : op.branch + start;
  float* const sum = op.sum == nullptr ? nullptr : op.sum + start;
  Value* const y = op.y + start;
  const bool aligned = are_aligned(x, branch, sum, y, op.weight, op.bias);
  const auto value = [&](std::int64_t i, auto count) {
    auto values = load(x + i, count);
    if (branch != nullptr) {
      const auto more = load(branch + i, count);
      for (int k = 0; k < count.value; ++k) values.at[k] += more.at[k];
    }
    return values;
  };
  float total = 0;
  if (op.is_centred || sum != nullptr) {
    for_row(block, width, aligned, [&](std::int64_t i, auto count) {
      const auto values = value(i, count);
      for (int k = 0; k < count.value; ++k) total += values.at[k];
      if (sum != nullptr) store(sum + i, values);
    });
  }
  const float mean = op.is_centred ? block_sum(block, total) / static_cast<float>(width) : 0.0f;
  // The deviations, not the squares: a large mean must not eat the digits.
  float squares = 0;
  for_row(block, width, aligned, [&](std::int64_t i, auto count) {
    const auto values = value(i, count);
    for (int k = 0; k < count.value; ++k) squares += (values.at[k] - mean) * (values.at[k] - mean);
  });
  const float inverse =
      1.0f / std::sqrt(block_sum(block, squares) / static_cast<float>(width) + op.epsilon);
  for_row(block, width, aligned, [&](std::int64_t i, auto count) {
    auto values = value(i, count);
    const auto weight = load(op.weight + i, count);
    for (int k = 0; k < count.value; ++k)
      values.at[k] = (values.at[k] - mean) * inverse * weight.at[k];
    if (op.bias != nullptr) {
      const auto bias = load(op.bias + i, count);
      for (int k = 0; k < count.value; ++k) values.at[k] += bias.at[k];
    }
    store(y + i, values);
  });
  if (block.thread() == 0) {
    op.inverse[block.index()] = inverse;
    if (op.is_centred) op.mean[block.index()] = mean;
  }
}

template <typename Value>
inline Geometry geometry(const ResidualNormBackward<Value>& op) {
  const std::int64_t rows_kept = op.bias_parts == nullptr ? 1 : 2;
  return {.blocks = op.parts,
          .threads = norm_threads(op.width),
          .shared_bytes =
              static_cast<std::int64_t>(sizeof(float)) * (kReductionFloats + rows_kept * op.width)};
}
template <typename Block, typename Value>
PANAL_DEVICE void body(Block& block, const ResidualNormBackward<Value>& op) {
  const std::int64_t width = op.width;
  // Each thread adds to columns of its own, so these need no barrier.
  float* const weight_total = reinterpret_cast<float*>(block.shared()) + kReductionFloats;
  float* const bias_total = weight_total + width;
  const bool aligned =
      width % 8 == 0 && are_aligned(op.dy, op.d_sum, op.sum, op.dx, op.d_branch, op.weight);
  for_row(block, width, aligned, [&](std::int64_t i, auto count) {
    for (int k = 0; k < count.value; ++k) weight_total[i + k] = 0;
    if (op.bias_parts != nullptr)
      for (int k = 0; k < count.value; ++k) bias_total[i + k] = 0;
  });
  for (std::int64_t row = block.index(); row < op.rows; row += block.blocks()) {
    const Value* const dy = op.dy + row * width;
    const float* const x = op.sum + row * width;
    const float inverse = op.inverse[row], mean = op.is_centred ? op.mean[row] : 0.0f;
    float straight = 0, along = 0;
    for_row(block, width, aligned, [&](std::int64_t i, auto count) {
      const auto gradient = load(dy + i, count), values = load(x + i, count),
                 weight = load(op.weight + i, count);
      for (int k = 0; k < count.value; ++k) {
        const float normed = (values.at[k] - mean) * inverse;
        const float inner = gradient.at[k] * weight.at[k];
        straight += inner;
        along += inner * normed;
        weight_total[i + k] += gradient.at[k] * normed;
        if (op.bias_parts != nullptr) bias_total[i + k] += gradient.at[k];
      }
    });
    along = block_sum(block, along) / static_cast<float>(width);
    straight = op.is_centred ? block_sum(block, straight) / static_cast<float>(width) : 0.0f;
    for_row(block, width, aligned, [&](std::int64_t i, auto count) {
      auto gradient = load(dy + i, count);
      const auto values = load(x + i, count), weight = load(op.weight + i, count);
      for (int k = 0; k < count.value; ++k) {
        const float normed = (values.at[k] - mean) * inverse;
        gradient.at[k] = inverse * (gradient.at[k] * weight.at[k] - straight - normed * along);
      }
      if (op.d_sum != nullptr) {
        const auto past = load(op.d_sum + row * width + i, count);
        for (int k = 0; k < count.value; ++k) gradient.at[k] += past.at[k];
      }
      store(op.dx + row * width + i, gradient);
      if (op.d_branch != nullptr) store(op.d_branch + row * width + i, gradient);
    });
  }
  for_row(block, width, aligned, [&](std::int64_t i, auto count) {
    for (int k = 0; k < count.value; ++k) {
      op.weight_parts[block.index() * width + i + k] = weight_total[i + k];
      if (op.bias_parts != nullptr)
        op.bias_parts[block.index() * width + i + k] = bias_total[i + k];
    }
  });
}

inline Geometry geometry(const SumRows& op) {
  return {.blocks = blocks_for(op.width, kNormThreads), .threads = kNormThreads};
}
template <typename Block>
PANAL_DEVICE void body(Block& block, const SumRows& op) {
  const std::int64_t column = block.index() * block.threads() + block.thread();
  if (column >= op.width) return;
  float total = op.adds ? op.total[column] : 0.0f;
  for (std::int64_t row = 0; row < op.rows; ++row) total += op.parts[row * op.width + column];
  op.total[column] = total;
}

template <typename Value>
inline Geometry geometry(const QkNormRotate<Value>& op) {
  return {.blocks = blocks_for(op.rows * op.heads, kHeadThreads / kWarp), .threads = kHeadThreads};
}
template <typename Value>
PANAL_DEVICE std::int64_t table_start(const QkNormRotate<Value>& op, std::int64_t row) {
  const std::int64_t position = op.positions == nullptr ? row % op.period : op.positions[row];
  return position * (op.head_width / 2);
}
template <typename Block, typename Value>
PANAL_DEVICE void body(Block& block, const QkNormRotate<Value>& op) {
  const int lane = block.thread() % kWarp;
  const std::int64_t item =
      block.index() * (block.threads() / kWarp) + block.thread() / kWarp;  // One head of one row.
  if (item >= op.rows * op.heads) return;
  const std::int64_t row = item / op.heads, head = item % op.heads, half = op.head_width / 2;
  const Value* const x = op.x + row * op.x_stride + head * op.head_width;
  Value* const y = op.y + row * op.y_stride + head * op.head_width;
  float inverse = 1;
  if (op.weight != nullptr) {
    float squares = 0;
    for (std::int64_t i = lane; i < op.head_width; i += kWarp)
      squares += to_float(x[i]) * to_float(x[i]);
    inverse =
        1.0f / std::sqrt(warp_sum(block, squares) / static_cast<float>(op.head_width) + op.epsilon);
    if (lane == 0) op.inverse[item] = inverse;
  }
  const std::int64_t table = op.cosine == nullptr ? 0 : table_start(op, row);
  for (std::int64_t i = lane; i < half; i += kWarp) {
    float a = to_float(x[i]) * inverse, b = to_float(x[half + i]) * inverse;
    if (op.weight != nullptr) {
      a *= op.weight[i];
      b *= op.weight[half + i];
    }
    const float c = op.cosine == nullptr ? 1.0f : op.cosine[table + i];
    const float s = op.cosine == nullptr ? 0.0f : op.sine[table + i];
    set_float(y[i], a * c - b * s);
    set_float(y[half + i], b * c + a * s);
  }
}

template <typename Value>
inline Geometry geometry(const QkNormRotateBackward<Value>& op) {
  return {.blocks = op.parts,
          .threads = kHeadThreads,
          .shared_bytes = static_cast<std::int64_t>(sizeof(float)) * (kHeadThreads / kWarp) *
                          op.forward.head_width};
}
template <typename Block, typename Value>
PANAL_DEVICE void body(Block& block, const QkNormRotateBackward<Value>& op) {
  const QkNormRotate<Value>& f = op.forward;
  const int warps = block.threads() / kWarp, warp = block.thread() / kWarp,
            lane = block.thread() % kWarp;
  const std::int64_t half = f.head_width / 2, items = f.rows * f.heads;
  float* const totals = reinterpret_cast<float*>(block.shared());  // [warps, head_width]
  float* const total = totals + warp * f.head_width;               // Lane i owns i, half + i, ...
  for (std::int64_t i = lane; i < half; i += kWarp) total[i] = total[half + i] = 0;
  for (std::int64_t item = block.index() * warps + warp; item < items;
       item += block.blocks() * warps) {
    const std::int64_t row = item / f.heads, start = item % f.heads * f.head_width;
    const Value* const x = f.x + row * f.x_stride + start;
    const Value* const dy = op.dy + row * f.y_stride + start;
    Value* const dx = op.dx + row * f.x_stride + start;
    const std::int64_t table = f.cosine == nullptr ? 0 : table_start(f, row);
    const float inverse = f.weight == nullptr ? 1.0f : f.inverse[item];
    // The gradient before the rotation, of the pair (i, half + i).
    const auto rotated = [&](std::int64_t i) {
      const float c = f.cosine == nullptr ? 1.0f : f.cosine[table + i];
      const float s = f.cosine == nullptr ? 0.0f : f.sine[table + i];
      const float a = to_float(dy[i]), b = to_float(dy[half + i]);
      return Floats<2>{{a * c + b * s, b * c - a * s}};
    };
    float along = 0;
    if (f.weight != nullptr) {
      for (std::int64_t i = lane; i < half; i += kWarp) {
        const Floats<2> gradient = rotated(i);
        const float a = to_float(x[i]) * inverse, b = to_float(x[half + i]) * inverse;
        total[i] += gradient.at[0] * a;
        total[half + i] += gradient.at[1] * b;
        along += gradient.at[0] * f.weight[i] * a + gradient.at[1] * f.weight[half + i] * b;
      }
      along = warp_sum(block, along) / static_cast<float>(f.head_width);
    }
    for (std::int64_t i = lane; i < half; i += kWarp) {
      Floats<2> gradient = rotated(i);
      if (f.weight != nullptr) {
        const float a = to_float(x[i]) * inverse, b = to_float(x[half + i]) * inverse;
        gradient.at[0] = inverse * (gradient.at[0] * f.weight[i] - a * along);
        gradient.at[1] = inverse * (gradient.at[1] * f.weight[half + i] - b * along);
      }
      set_float(dx[i], gradient.at[0]);
      set_float(dx[half + i], gradient.at[1]);
    }
  }
  if (f.weight == nullptr) return;
  block.barrier();
  for (std::int64_t i = block.thread(); i < f.head_width; i += block.threads()) {
    float sum = 0;
    for (int part = 0; part < warps; ++part) sum += totals[part * f.head_width + i];
    op.weight_parts[block.index() * f.head_width + i] = sum;
  }
}

}  // namespace panal::kernels::cuda
