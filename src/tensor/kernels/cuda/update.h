// Weight updates over many tensors in one launch: a table in device memory names the tensors, so a
// step costs a few launches whatever the number of parameters, and a captured graph can be replayed
// with other rates, which lie in device memory too.
#pragma once

#include <cstdint>

namespace panal::tensor::cuda {

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
/// = rounded * 2^16 + remainder, in 32-bit integers that wrap around (as tensor/kernels/cpu).
struct Parameter {
  float* value = nullptr;
  std::uint16_t* rounded = nullptr;
  std::int16_t* remainder = nullptr;
};

/// A row of the table. first_block: the sum of blocks_of() over the rows before.
struct AdamWTensor {
  Parameter parameter{};
  Numbers gradient{};
  Numbers first_moment{};
  float* second_moment = nullptr;
  std::int64_t count = 0, first_block = 0;
  float weight_decay = 0;
};
struct AdamWFactors {
  float gradient_scale = 1;
  float learning_rate = 0;
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float step_size = 0;      // learning rate / (1 - beta1^t)
  float second_factor = 1;  // 1 / sqrt(1 - beta2^t)
};
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
struct AdamW {
  const AdamWTensor* tensors = nullptr;   // [num_tensors], device memory.
  const AdamWFactors* factors = nullptr;  // Device memory.
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct MomentumTensor {
  Numbers gradient{};
  Numbers momentum{};
  Numbers direction{};
  std::int64_t count = 0, first_block = 0;
};
struct MomentumFactors {
  float gradient_scale = 1;
  float share = 0;       // Of the gradient in the new momentum.
  float look_ahead = 1;  // Of the new momentum in the direction (Nesterov: the old share).
};
/// momentum += (gradient - momentum) * share; direction = gradient + (momentum - gradient) *
/// look_ahead. Also any exponential moving average, with the direction left out (both null).
struct Momentum {
  const MomentumTensor* tensors = nullptr;
  const MomentumFactors* factors = nullptr;
  std::int64_t num_tensors = 0, num_blocks = 0;
};

struct ChangeTensor {
  Parameter parameter{};
  Numbers change{};
  std::int64_t count = 0, first_block = 0;
  float length = 0;  // Times the factor of the step.
  float weight_decay = 0;
};
struct ChangeFactors {
  float learning_rate = 0;
  bool is_cautious = false;  // Decay only where change and parameter do not disagree in sign.
};
/// parameter = parameter * (1 - learning_rate * weight_decay) - learning_rate * length * change.
struct Change {
  const ChangeTensor* tensors = nullptr;
  const ChangeFactors* factors = nullptr;
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

}  // namespace panal::tensor::cuda
