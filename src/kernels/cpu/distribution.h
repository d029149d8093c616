// What drawing a token asks of its row of logits, in one pass each. Rows are seen in blocks, so
// that what comes after looks only into the few blocks that matter. Plain pointers, one thread.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

constexpr std::int64_t kDistributionBlock = 64;  // Logits.

constexpr std::int64_t num_distribution_blocks(std::int64_t width) {
  return (width + kDistributionBlock - 1) / kDistributionBlock;
}

/// The largest of each block of logits [width] to maxima [num_distribution_blocks(width)]; not a
/// number where one of them is none.
void block_maxima(const float* logits, std::int64_t width, float* maxima);

/// weights [width] = exp((logits - shift) * scale), 0 where that is under exp(-87); logits are at
/// most `shift`, scale is over 0. Error: 2 units in the last place.
void softmax_weights(const float* logits, std::int64_t width, float shift, float scale,
                     float* weights);

/// The sum of softmax_weights of each block to sums [num_distribution_blocks(width)].
void block_weights(const float* logits, std::int64_t width, float shift, float scale, float* sums);

}  // namespace panal::kernels::cpu
