// Products of a large weight with few rows of activations, as decoding does them: bound by reading
// the weight once. Quantised weights are multiplied as their exact values, block by block, so they
// read 4 to 5 times less memory than float32 and differ from it only by float32 rounding. Plain
// pointers, one thread; callers split output columns.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

constexpr std::int64_t kBlock = 32;  // Weights per quantised block.

/// y[m, n] = sum over k of x[m, k] * weight[n, k], for n in [begin, end). y has row stride
/// y_stride.
void matvec_float(const float* weight, const float* x, std::int64_t rows, std::int64_t width,
                  std::int64_t begin, std::int64_t end, float* y, std::int64_t y_stride);

/// Quantised weights lie in groups of 16 output rows, so that one vector lane is one row: x is
/// broadcast, nothing is summed across lanes, and unpacking needs only shifts, which every
/// instruction set has. The last group is padded with zeros.
constexpr std::int64_t kGroup = 16;

/// value = scale * nibble + offset. width is a multiple of 32. Per group and block: words [4][16]
/// (word w of a row holds values 8 w to 8 w + 7, lowest nibble first), scales [16], offsets [16].
/// Groups [begin, end) are computed. block_sums [rows, width / 32]: sums of x over each block.
/// num_outputs bounds what is written to y.
void matvec_nibbles(const std::int32_t* words, const float* scales, const float* offsets,
                    const float* x, const float* block_sums, std::int64_t rows, std::int64_t width,
                    std::int64_t begin, std::int64_t end, std::int64_t num_outputs, float* y);

/// value = scale * byte. Per group and block: words [8][16] (4 signed bytes each, lowest first),
/// scales [16].
void matvec_bytes(const std::int32_t* words, const float* scales, const float* x, std::int64_t rows,
                  std::int64_t width, std::int64_t begin, std::int64_t end,
                  std::int64_t num_outputs, float* y);

/// y[m, n] += sum over r of low[m, r] * up[r, n]: the second half of an adapter. low has row stride
/// low_stride.
void add_low_rank(const float* low, std::int64_t low_stride, const float* up, std::int64_t rows,
                  std::int64_t rank, std::int64_t width, float* y, std::int64_t y_stride);

/// Sums of each block of 32 in x [rows, width].
void sum_blocks(const float* x, std::int64_t rows, std::int64_t width, float* sums);

}  // namespace panal::kernels::cpu
