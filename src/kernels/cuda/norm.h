// Residual addition and norm of a transformer layer in one pass over device memory.
// Value: float, or std::uint16_t for the bits of bfloat16; arithmetic and sums are float32.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

/// sum = x + branch; y = norm(sum) * weight + bias, per row of [rows, width]. RMSNorm, or LayerNorm
/// where is_centred. The stream (x, sum) is float32, so that hundreds of additions lose nothing;
/// what a half of a layer gives and takes (branch, y) is Value. inverse [rows] (and mean [rows])
/// are for the backward pass. Reads x and branch from device memory once. Source: Zhang and
/// Sennrich, "Root Mean Square Layer Normalization", 2019; Ba et al., "Layer Normalization", 2016.
template <typename Value>
struct ResidualNorm {
  const float* x = nullptr;
  const Value* branch = nullptr;  // Null: 0.
  const float* weight = nullptr;  // [width]
  const float* bias = nullptr;    // [width], or null.
  float epsilon = 0;
  bool is_centred = false;
  std::int64_t rows = 0, width = 0;
  float* sum = nullptr;  // Null: not kept.
  Value* y = nullptr;
  float* mean = nullptr;     // Written where is_centred.
  float* inverse = nullptr;  // 1 / standard deviation, or 1 / root mean square.
};

/// dx = (d loss / d sum through the norm) + d_sum, and d_branch, the same as Value. Block b sums
/// the gradients of weight and bias over the rows b, b + parts, ... into row b of the parts;
/// SumRows adds the rows up in order.
template <typename Value>
struct ResidualNormBackward {
  const Value* dy = nullptr;
  const float* d_sum = nullptr;  // What flows past the norm; null: 0.
  const float* sum = nullptr;
  const float* weight = nullptr;
  const float* mean = nullptr;
  const float* inverse = nullptr;
  bool is_centred = false;
  std::int64_t rows = 0, width = 0, parts = 0;  // width at most 12,288; parts 1 to rows.
  float* dx = nullptr;
  Value* d_branch = nullptr;      // Null: not wanted.
  float* weight_parts = nullptr;  // [parts, width]
  float* bias_parts = nullptr;    // [parts, width], or null.
};

/// total [width] = (adds ? total : 0) + the sum of parts [rows, width] over the rows, in order.
struct SumRows {
  const float* parts = nullptr;
  std::int64_t rows = 0, width = 0;
  bool adds = false;
  float* total = nullptr;
};

/// Each head of x divided by its root mean square, times weight (QK-norm; left out where weight is
/// null), then rotated by its position (half-split pairs; left out where cosine is null). x and y:
/// row r, head h at r * stride + h * head_width. head_width is even and at most 1,024.
/// Source: Henry et al., "Query-Key Normalization for Transformers", 2020; Su et al., "RoFormer",
/// 2021.
template <typename Value>
struct QkNormRotate {
  const Value* x = nullptr;
  std::int64_t x_stride = 0;
  const float* weight = nullptr;            // [head_width]
  const float* cosine = nullptr;            // [positions, head_width / 2]
  const float* sine = nullptr;              // [positions, head_width / 2]
  const std::int64_t* positions = nullptr;  // [rows]; null: row modulo period.
  std::int64_t period = 1;
  float epsilon = 0;
  std::int64_t rows = 0, heads = 0, head_width = 0;
  Value* y = nullptr;
  std::int64_t y_stride = 0;
  float* inverse = nullptr;  // [rows, heads], written where weight is there.
};

/// dx from dy (both in the layout of y and x), and per block a row of weight_parts.
template <typename Value>
struct QkNormRotateBackward {
  QkNormRotate<Value> forward{};  // Its y is not read.
  const Value* dy = nullptr;
  Value* dx = nullptr;
  std::int64_t parts = 0;         // Blocks.
  float* weight_parts = nullptr;  // [parts, head_width]; null where weight is.
};

}  // namespace panal::kernels::cuda
