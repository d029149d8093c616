#include "kernels/cpu/matvec.h"

#include "kernels/cpu/vector.h"

namespace panal::kernels::cpu {
namespace {

// R rows of x share every load of the weight. The accumulators of R rows must fit into registers.
template <int R>
PANAL_ALWAYS_INLINE void float_rows(const float* weight, const float* x, std::int64_t width,
                                    std::int64_t begin, std::int64_t end, float* y,
                                    std::int64_t y_stride) {
  for (std::int64_t n = begin; n < end; ++n) {
    const float* w = weight + n * width;
    Float16 even[R]{}, odd[R]{};
    std::int64_t k = 0;
    for (; k + 2 * kWidth <= width; k += 2 * kWidth) {
      const Float16 first = load(w + k), second = load(w + k + kWidth);
      for (int r = 0; r < R; ++r) {
        even[r] += first * load(x + r * width + k);
        odd[r] += second * load(x + r * width + k + kWidth);
      }
    }
    for (int r = 0; r < R; ++r) {
      float total = sum(even[r] + odd[r]);
      for (std::int64_t i = k; i < width; ++i) total += w[i] * x[r * width + i];
      y[r * y_stride + n] = total;
    }
  }
}

PANAL_ALWAYS_INLINE Int16 load_words(const std::int32_t* from) {
  Int16 value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Writes the 16 outputs of a group, fewer in the last one.
PANAL_ALWAYS_INLINE void store_group(const Float16& values, std::int64_t first,
                                     std::int64_t num_outputs, float* y) {
  if (first + kGroup <= num_outputs) return store(y + first, values);
  for (std::int64_t i = first; i < num_outputs; ++i) y[i] = values[i - first];
}

// C chains of sums per row of x hide the latency of one.
template <int R, int C>
PANAL_ALWAYS_INLINE void nibble_rows(const std::int32_t* words, const float* scales,
                                     const float* offsets, const float* x, const float* block_sums,
                                     std::int64_t width, std::int64_t begin, std::int64_t end,
                                     std::int64_t num_outputs, float* y) {
  const std::int64_t blocks = width / kBlock;
  for (std::int64_t group = begin; group < end; ++group) {
    Float16 totals[R]{};
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t place = (group * blocks + b) * kGroup;
      Float16 sums[R][C]{};
      for (int word = 0; word < 4; ++word) {
        const Int16 packed = load_words(words + (place * 4) + word * kGroup);
        const float* xw = x + b * kBlock + word * 8;
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
          const Float16 value = __builtin_convertvector((packed >> (4 * j)) & 15, Float16);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) sums[r][j % C] += value * xw[r * width + j];
        }
      }
      const Float16 scale = load(scales + place), offset = load(offsets + place);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        Float16 block = sums[r][0];
        for (int c = 1; c < C; ++c) block += sums[r][c];
        totals[r] += block * scale + offset * block_sums[r * blocks + b];
      }
    }
    for (int r = 0; r < R; ++r) {
      store_group(totals[r], group * kGroup, num_outputs, y + r * num_outputs);
    }
  }
}

template <int R, int C>
PANAL_ALWAYS_INLINE void byte_rows(const std::int32_t* words, const float* scales, const float* x,
                                   std::int64_t width, std::int64_t begin, std::int64_t end,
                                   std::int64_t num_outputs, float* y) {
  const std::int64_t blocks = width / kBlock;
  for (std::int64_t group = begin; group < end; ++group) {
    Float16 totals[R]{};
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t place = (group * blocks + b) * kGroup;
      Float16 sums[R][C]{};
      for (int word = 0; word < 8; ++word) {
        const Int16 packed = load_words(words + (place * 8) + word * kGroup);
        const float* xw = x + b * kBlock + word * 4;
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const Float16 value = __builtin_convertvector((packed << (24 - 8 * j)) >> 24, Float16);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) sums[r][j % C] += value * xw[r * width + j];
        }
      }
      const Float16 scale = load(scales + place);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        Float16 block = sums[r][0];
        for (int c = 1; c < C; ++c) block += sums[r][c];
        totals[r] += block * scale;
      }
    }
    for (int r = 0; r < R; ++r) {
      store_group(totals[r], group * kGroup, num_outputs, y + r * num_outputs);
    }
  }
}

// Takes rows of x four at a time, then two, then one.
PANAL_ALWAYS_INLINE void matvec_float_body(const float* weight, const float* x, std::int64_t rows,
                                           std::int64_t width, std::int64_t begin, std::int64_t end,
                                           float* y, std::int64_t y_stride) {
  std::int64_t m = 0;
  for (; m + 4 <= rows; m += 4) {
    float_rows<4>(weight, x + m * width, width, begin, end, y + m * y_stride, y_stride);
  }
  for (; m + 2 <= rows; m += 2) {
    float_rows<2>(weight, x + m * width, width, begin, end, y + m * y_stride, y_stride);
  }
  if (m < rows) float_rows<1>(weight, x + m * width, width, begin, end, y + m * y_stride, y_stride);
}

PANAL_ALWAYS_INLINE void matvec_nibbles_body(const std::int32_t* words, const float* scales,
                                             const float* offsets, const float* x,
                                             const float* block_sums, std::int64_t rows,
                                             std::int64_t width, std::int64_t begin,
                                             std::int64_t end, std::int64_t num_outputs, float* y) {
  const std::int64_t blocks = width / kBlock;
  std::int64_t m = 0;
  for (; m + 4 <= rows; m += 4) {
    nibble_rows<4, 1>(words, scales, offsets, x + m * width, block_sums + m * blocks, width, begin,
                      end, num_outputs, y + m * num_outputs);
  }
  for (; m + 2 <= rows; m += 2) {
    nibble_rows<2, 2>(words, scales, offsets, x + m * width, block_sums + m * blocks, width, begin,
                      end, num_outputs, y + m * num_outputs);
  }
  if (m < rows) {
    nibble_rows<1, 4>(words, scales, offsets, x + m * width, block_sums + m * blocks, width, begin,
                      end, num_outputs, y + m * num_outputs);
  }
}

PANAL_ALWAYS_INLINE void matvec_bytes_body(const std::int32_t* words, const float* scales,
                                           const float* x, std::int64_t rows, std::int64_t width,
                                           std::int64_t begin, std::int64_t end,
                                           std::int64_t num_outputs, float* y) {
  std::int64_t m = 0;
  for (; m + 4 <= rows; m += 4) {
    byte_rows<4, 1>(words, scales, x + m * width, width, begin, end, num_outputs,
                    y + m * num_outputs);
  }
  for (; m + 2 <= rows; m += 2) {
    byte_rows<2, 2>(words, scales, x + m * width, width, begin, end, num_outputs,
                    y + m * num_outputs);
  }
  if (m < rows) {
    byte_rows<1, 4>(words, scales, x + m * width, width, begin, end, num_outputs,
                    y + m * num_outputs);
  }
}

PANAL_ALWAYS_INLINE void add_low_rank_body(const float* low, std::int64_t low_stride,
                                           const float* up, std::int64_t rows, std::int64_t rank,
                                           std::int64_t width, float* y, std::int64_t y_stride) {
  for (std::int64_t m = 0; m < rows; ++m, low += low_stride, y += y_stride) {
    std::int64_t n = 0;
    for (; n + kWidth <= width; n += kWidth) {
      Float16 total = load(y + n);
      for (std::int64_t r = 0; r < rank; ++r) total += load(up + r * width + n) * low[r];
      store(y + n, total);
    }
    for (; n < width; ++n) {
      for (std::int64_t r = 0; r < rank; ++r) y[n] += up[r * width + n] * low[r];
    }
  }
}

PANAL_ALWAYS_INLINE void sum_blocks_body(const float* x, std::int64_t rows, std::int64_t width,
                                         float* sums) {
  for (std::int64_t i = 0; i < rows * width / kBlock; ++i) {
    sums[i] = sum(load(x + i * kBlock) + load(x + i * kBlock + kWidth));
  }
}

}  // namespace

PANAL_CPU_KERNEL(matvec_float,
                 (const float* weight, const float* x, std::int64_t rows, std::int64_t width,
                  std::int64_t begin, std::int64_t end, float* y, std::int64_t y_stride),
                 (weight, x, rows, width, begin, end, y, y_stride))
PANAL_CPU_KERNEL(matvec_nibbles,
                 (const std::int32_t* words, const float* scales, const float* offsets,
                  const float* x, const float* block_sums, std::int64_t rows, std::int64_t width,
                  std::int64_t begin, std::int64_t end, std::int64_t num_outputs, float* y),
                 (words, scales, offsets, x, block_sums, rows, width, begin, end, num_outputs, y))
PANAL_CPU_KERNEL(matvec_bytes,
                 (const std::int32_t* words, const float* scales, const float* x, std::int64_t rows,
                  std::int64_t width, std::int64_t begin, std::int64_t end,
                  std::int64_t num_outputs, float* y),
                 (words, scales, x, rows, width, begin, end, num_outputs, y))
PANAL_CPU_KERNEL(add_low_rank,
                 (const float* low, std::int64_t low_stride, const float* up, std::int64_t rows,
                  std::int64_t rank, std::int64_t width, float* y, std::int64_t y_stride),
                 (low, low_stride, up, rows, rank, width, y, y_stride))
PANAL_CPU_KERNEL(sum_blocks, (const float* x, std::int64_t rows, std::int64_t width, float* sums),
                 (x, rows, width, sums))

}  // namespace panal::kernels::cpu
