// Products with the low-rank factors of LoRA's adapters: the wide matrix is read once, the factor
// stays in the cache. Plain row-major pointers, one thread; any rank from 1.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

/// low [rows, rank] = scale * x [rows, width] times w [rank, width] transposed.
void low_rank_project(const float* x, const float* w, std::int64_t rows, std::int64_t width,
                      std::int64_t rank, float scale, float* low);
/// y [rows, width] += low [rows, rank] times w [rank, width].
void low_rank_expand(const float* low, const float* w, std::int64_t rows, std::int64_t width,
                     std::int64_t rank, float* y);
/// total [rank, width] += low [rows, rank] transposed times x [rows, width].
void low_rank_gather(const float* low, const float* x, std::int64_t rows, std::int64_t width,
                     std::int64_t rank, float* total);

}  // namespace panal::kernels::cpu
