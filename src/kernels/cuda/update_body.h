#pragma once

#include <cmath>

#include "kernels/cuda/block.h"
#include "kernels/cuda/update.h"

namespace panal::kernels::cuda {

constexpr int kUpdateThreads = 256;

template <int kCount>
PANAL_DEVICE Floats<kCount> load(const Numbers& from, std::int64_t i, Count<kCount> count) {
  return from.floats != nullptr ? load(from.floats + i, count) : load(from.halves + i, count);
}
template <int kCount>
PANAL_DEVICE void store(const Numbers& to, std::int64_t i, const Floats<kCount>& values) {
  if (to.floats != nullptr) {
    store(to.floats + i, values);
  } else {
    store(to.halves + i, values);
  }
}

PANAL_DEVICE float join(std::uint16_t rounded, std::int16_t remainder) {
  const std::uint32_t bits =
      (std::uint32_t{rounded} << 16) + static_cast<std::uint32_t>(std::int32_t{remainder});
  float exact;
  memcpy(&exact, &bits, sizeof exact);
  return exact;
}
PANAL_DEVICE void split(float exact, std::uint16_t& rounded, std::int16_t& remainder) {
  std::uint32_t bits;
  memcpy(&bits, &exact, sizeof bits);
  rounded = static_cast<std::uint16_t>((bits + 0x8000u) >> 16);
  remainder = static_cast<std::int16_t>(bits & 0xFFFFu);
}
/// Calls update(k, exact value) for each of the elements from i on and keeps what it returns.
template <int kCount, typename Update>
PANAL_DEVICE void change_parameter(const Parameter& parameter, std::int64_t i, Count<kCount> count,
                                   const Update& update) {
  if (parameter.value != nullptr) {
    Floats<kCount> values = load(parameter.value + i, count);
    PANAL_UNROLL
    for (int k = 0; k < kCount; ++k) values.at[k] = update(k, values.at[k]);
    store(parameter.value + i, values);
  } else if constexpr (kCount == 1) {
    split(update(0, join(parameter.rounded[i], parameter.remainder[i])), parameter.rounded[i],
          parameter.remainder[i]);
  } else {
    static_assert(kCount == 8, "the two packs below hold eight numbers");
    auto* const to_rounded = reinterpret_cast<Pack<std::uint16_t>*>(parameter.rounded + i);
    auto* const to_remainder = reinterpret_cast<Pack<std::int16_t>*>(parameter.remainder + i);
    Pack<std::uint16_t> rounded = *to_rounded;
    Pack<std::int16_t> remainder = *to_remainder;
    PANAL_UNROLL
    for (int k = 0; k < kCount; ++k)
      split(update(k, join(rounded.at[k], remainder.at[k])), rounded.at[k], remainder.at[k]);
    *to_rounded = rounded;
    *to_remainder = remainder;
  }
}
template <int kCount>
PANAL_DEVICE void read_parameter(const Parameter& parameter, std::int64_t i, Count<kCount> count,
                                 Floats<kCount>& exact) {
  if (parameter.value != nullptr) {
    exact = load(parameter.value + i, count);
    return;
  }
  for (int k = 0; k < kCount; ++k)
    exact.at[k] = join(parameter.rounded[i + k], parameter.remainder[i + k]);
}
PANAL_DEVICE bool are_aligned(const Parameter& parameter, const Numbers& numbers) {
  return are_aligned(parameter.value, parameter.rounded, parameter.remainder, numbers.floats,
                     numbers.halves);
}

/// The tensor that this block works on: the last whose first block is not after it.
template <typename Tensor, typename Block>
PANAL_DEVICE const Tensor& tensor_of(Block& block, const Tensor* tensors,
                                     std::int64_t num_tensors) {
  std::int64_t low = 0, high = num_tensors;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    if (tensors[middle].first_block <= block.index()) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return tensors[low];
}
/// Calls body(i, count) over the elements of `tensor` that are this block's.
template <typename Block, typename Tensor, typename Body>
PANAL_DEVICE void for_elements(Block& block, const Tensor& tensor, bool aligned, const Body& body) {
  const std::int64_t begin = (block.index() - tensor.first_block) * kElementsPerBlock;
  const std::int64_t end =
      begin + kElementsPerBlock < tensor.count ? begin + kElementsPerBlock : tensor.count;
  for_runs(block.thread(), block.threads(), begin, end, aligned, body);
}

/// Of an operation over a table.
template <typename Operation>
inline Geometry table_geometry(const Operation& op) {
  return {.blocks = op.num_blocks, .threads = kUpdateThreads};
}

inline Geometry geometry(const AdamW& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const AdamW& op) {
  const AdamWTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned = are_aligned(f.parameter, f.gradient) &&
                       are_aligned(f.first_moment.floats, f.first_moment.halves, f.second_moment);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    auto gradient = load(f.gradient, i, count);
    auto first = load(f.first_moment, i, count);
    auto second = load(f.second_moment + i, count);
    for (int k = 0; k < count.value; ++k) {
      const float g = gradient.at[k] * f.gradient_scale;
      first.at[k] += (g - first.at[k]) * (1.0f - f.beta1);
      second.at[k] = second.at[k] * f.beta2 + g * g * (1.0f - f.beta2);
    }
    store(f.first_moment, i, first);
    store(f.second_moment + i, second);
    change_parameter(f.parameter, i, count, [&](int k, float value) {
      const float size = std::sqrt(second.at[k]) * f.second_factor + f.epsilon;
      return value * f.keep - first.at[k] / size * f.step_size;
    });
  });
}

inline Geometry geometry(const Momentum& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const Momentum& op) {
  const MomentumTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool has_direction = f.direction.floats != nullptr || f.direction.halves != nullptr;
  const bool aligned = are_aligned(f.gradient.floats, f.gradient.halves, f.momentum.floats,
                                   f.momentum.halves, f.direction.floats, f.direction.halves);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    auto gradient = load(f.gradient, i, count), mean = load(f.momentum, i, count);
    for (int k = 0; k < count.value; ++k) {
      const float g = gradient.at[k] * f.gradient_scale;
      mean.at[k] += (g - mean.at[k]) * f.share;
      gradient.at[k] = g + (mean.at[k] - g) * f.look_ahead;
    }
    store(f.momentum, i, mean);
    if (has_direction) store(f.direction, i, gradient);
  });
}

PANAL_DEVICE float changed(const ChangeTensor& f, float value, float change) {
  const bool is_spared = f.is_cautious && change * value < 0.0f;
  return (is_spared ? value : value * f.keep) - change * f.length;
}

inline Geometry geometry(const Change& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const Change& op) {
  const ChangeTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned = are_aligned(f.parameter, f.change);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    const auto change = load(f.change, i, count);
    change_parameter(f.parameter, i, count,
                     [&](int k, float value) { return changed(f, value, change.at[k]); });
  });
}

inline Geometry geometry(const Transport& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const Transport& op) {
  const TransportTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned =
      are_aligned(f.change.parameter, f.change.change) && are_aligned(f.displacement);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    const auto change = load(f.change.change, i, count);
    auto displacement = load(f.displacement + i, count);
    change_parameter(f.change.parameter, i, count, [&](int k, float value) {
      const float point = value - displacement.at[k] * f.extrapolation_before;
      const float next = changed(f.change, point, change.at[k]);
      // What is stored, rounded, is what the next step takes off again.
      displacement.at[k] = stored<std::uint16_t>(next - point);
      return next + displacement.at[k] * f.extrapolation_after;
    });
    store(f.displacement + i, displacement);
  });
}

inline Geometry geometry(const LookAhead& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const LookAhead& op) {
  const LookAheadTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned = are_aligned(f.parameter, f.average) && are_aligned(f.before);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    const auto before = load(f.before + i, count);
    auto average = load(f.average, i, count);
    change_parameter(f.parameter, i, count, [&](int k, float next) {
      const float point = before.at[k] - average.at[k] * f.extrapolation_before;
      const float mean = average.at[k] + (next - point - average.at[k]) * f.share;
      average.at[k] = f.average.floats != nullptr ? mean : stored<std::uint16_t>(mean);
      return next + average.at[k] * f.extrapolation_after;
    });
    store(f.average, i, average);
  });
}

inline Geometry geometry(const ExactCopy& op) { return table_geometry(op); }
template <typename Block>
PANAL_DEVICE void body(Block& block, const ExactCopy& op) {
  const ExactTensor f = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned = are_aligned(f.parameter, Numbers{}) && are_aligned(f.exact);
  for_elements(block, f, aligned, [&](std::int64_t i, auto count) {
    auto exact = load(f.exact + i, count);
    if (f.writes_parameter) {
      change_parameter(f.parameter, i, count, [&](int k, float) { return exact.at[k]; });
    } else {
      read_parameter(f.parameter, i, count, exact);
      store(f.exact + i, exact);
    }
  });
}

inline Geometry geometry(const SquareSum& op) {
  return {.blocks = op.num_blocks, .threads = kUpdateThreads};
}
template <typename Block>
PANAL_DEVICE void body(Block& block, const SquareSum& op) {
  const SquareTensor& tensor = tensor_of(block, op.tensors, op.num_tensors);
  const bool aligned = are_aligned(tensor.numbers.floats, tensor.numbers.halves);
  float total = 0;
  for_elements(block, tensor, aligned, [&](std::int64_t i, auto count) {
    const auto values = load(tensor.numbers, i, count);
    for (int k = 0; k < count.value; ++k) total += values.at[k] * values.at[k];
  });
  total = block_sum(block, total);
  if (block.thread() == 0) op.parts[block.index()] = total;
}

inline Geometry geometry(const SquareTotal& op) {
  return {.blocks = op.num_tensors, .threads = kUpdateThreads};
}
template <typename Block>
PANAL_DEVICE void body(Block& block, const SquareTotal& op) {
  const std::int64_t begin = op.tensors[block.index()].first_block;
  const std::int64_t end = block.index() + 1 < op.num_tensors
                               ? op.tensors[block.index() + 1].first_block
                               : op.num_blocks;
  float total = 0;
  for (std::int64_t i = begin + block.thread(); i < end; i += block.threads()) total += op.parts[i];
  total = block_sum(block, total);
  if (block.thread() == 0) op.totals[block.index()] = total;
}

}  // namespace panal::kernels::cuda
