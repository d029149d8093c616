// Weight updates over many tensors in one launch: a table in device memory names the tensors and
// what their updates take, so a step costs a few launches whatever the number of parameters.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

/// Elements that one block updates. A tensor of n elements takes blocks_of(n) blocks.
constexpr std::int64_t kElementsPerBlock = 8192;
constexpr std::int64_t blocks_of(std::int64_t count) {
  return (count + kElementsPerBlock - 1) / kElementsPerBlock;
}

/// Numbers as float32 or as the bits of bfloat16: one of the two is null.
struct Numbers {
  float* floats = nullptr;
  std::uint16_t* halves = nullptr;
};
/// A parameter in float32, or in bfloat16 beside the low half of the exact float32 bits: exact bits
/// = rounded * 2^16 + remainder, in 32-bit integers that wrap around (as kernels/cpu).
struct Parameter {
  float* value = nullptr;
  std::uint16_t* rounded = nullptr;
  std::int16_t* remainder = nullptr;
};

/// A row of a table: one tensor and what its update takes. first_block: the sum of blocks_of() over
/// the rows before. The numbers are those of the CPU's kernels (kernels/cpu/update.h).
struct AdamWTensor {
  Parameter parameter{};
  Numbers gradient{};
  Numbers first_moment{};
  float* second_moment = nullptr;
  std::int64_t count = 0, first_block = 0;
  float gradient_scale = 1;
  float keep = 1;  // 1 - learning rate * weight decay
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float step_size = 0;      // learning rate / (1 - beta1^t)
  float second_factor = 1;  // 1 / sqrt(1 - beta2^t)
};
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
struct AdamW {
  const AdamWTensor* tensors = nullptr;  // [num_tensors], device memory.
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct MomentumTensor {
  Numbers gradient{};
  Numbers momentum{};
  Numbers direction{};
  std::int64_t count = 0, first_block = 0;
  float gradient_scale = 1;
  float share = 0;       // Of the gradient in the new momentum.
  float look_ahead = 1;  // Of the new momentum in the direction (Nesterov: the old share).
};
/// momentum += (gradient - momentum) * share; direction = gradient + (momentum - gradient) *
/// look_ahead. Also any exponential moving average, with the direction left out (both null).
struct Momentum {
  const MomentumTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct ChangeTensor {
  Parameter parameter{};
  Numbers change{};
  std::int64_t count = 0, first_block = 0;
  float keep = 1;
  float length = 0;
  bool is_cautious = false;  // keep counts as 1 where change and parameter disagree in sign.
};
/// parameter = parameter * keep - length * change.
struct Change {
  const ChangeTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct TransportTensor {
  ChangeTensor change{};  // Its parameter is the extrapolated point; counts are here.
  std::uint16_t* displacement = nullptr;
  std::int64_t count = 0, first_block = 0;
  float extrapolation_before = 0, extrapolation_after = 0;
};
/// The point makes the step, displacement becomes that step, and the parameter the point
/// extrapolated anew (tensor/update.h).
struct Transport {
  const TransportTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct LookAheadTensor {
  Parameter parameter{};          // After a rule has moved it.
  const float* before = nullptr;  // Before that.
  Numbers average{};
  std::int64_t count = 0, first_block = 0;
  float share = 0;  // Of the newest movement in the average.
  float extrapolation_before = 0, extrapolation_after = 0;
};
/// The average of movements takes in the newest one; the parameter goes ahead along it.
struct LookAhead {
  const LookAheadTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct ExactTensor {
  Parameter parameter{};
  float* exact = nullptr;
  std::int64_t count = 0, first_block = 0;
  bool writes_parameter = false;
};
/// exact = parameter, or parameter = exact where writes_parameter.
struct ExactCopy {
  const ExactTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct SquareTensor {
  Numbers numbers{};
  std::int64_t count = 0, first_block = 0;
};
/// parts [num_blocks] = the sum of squares of each block's elements.
struct SquareSum {
  const SquareTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
  float* parts = nullptr;
};
/// totals [num_tensors] = the parts of each tensor, added in order.
struct SquareTotal {
  const SquareTensor* tensors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
  const float* parts = nullptr;
  float* totals = nullptr;
};

}  // namespace panal::kernels::cuda
