// Attention of one new token per sequence over its key-value cache: bound by reading the cache
// once.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

/// One key-value head with the `group` query heads that share it. queries and out [group, width]
/// contiguous rows; keys and values [length, width]; scores is scratch of group * length floats.
/// out = softmax(scale * queries keys^T) values.
void attend_one(const float* queries, const float* keys, const float* values, std::int64_t group,
                std::int64_t length, std::int64_t width, float scale, float* scores, float* out);

}  // namespace panal::kernels::cpu
