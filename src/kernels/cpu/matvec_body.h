// Read once for each instruction set (each_level.h).

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

PANAL_ALWAYS_INLINE Int16 load_words(const std::int32_t* from) { return load_as<Int16>(from); }

// Writes the 16 outputs of a group, fewer in the last one.
PANAL_ALWAYS_INLINE void store_group(const Float16& values, std::int64_t first,
                                     std::int64_t num_outputs, float* y) {
  if (first + kGroup <= num_outputs) return store(y + first, values);
  for (std::int64_t i = first; i < num_outputs; ++i) y[i] = values[i - first];
}

// Four bits of a weight: w = scale * nibble + offset, both of the output's block. `block_sums` are
// those of the rows of x.
struct Nibbles {
  static constexpr int kPerWord = 8;
  const float* scales;
  const float* offsets;
  const float* block_sums;

  struct Factors {
    Float16 scale, offset;
  };
  PANAL_ALWAYS_INLINE static Int16 unpacked(const Int16& words, int j) {
    return (words >> (4 * j)) & 15;
  }
  PANAL_ALWAYS_INLINE Factors factors(std::int64_t place) const {
    return {load(scales + place), load(offsets + place)};
  }
  PANAL_ALWAYS_INLINE Float16 product(const Float16& sum, const Factors& by,
                                      std::int64_t block) const {
    return sum * by.scale + by.offset * block_sums[block];
  }
};

// Eight bits with a sign: w = scale * byte.
struct Bytes {
  static constexpr int kPerWord = 4;
  const float* scales;

  PANAL_ALWAYS_INLINE static Int16 unpacked(const Int16& words, int j) {
    return (words << (24 - 8 * j)) >> 24;
  }
  PANAL_ALWAYS_INLINE Float16 factors(std::int64_t place) const { return load(scales + place); }
  PANAL_ALWAYS_INLINE Float16 product(const Float16& sum, const Float16& scale,
                                      std::int64_t) const {
    return sum * scale;
  }
};

// Rows m to m + R - 1 of x. C chains of sums per row hide the latency of one.
template <int R, typename Packing>
PANAL_ALWAYS_INLINE void packed_rows(const std::int32_t* words, const Packing& packing,
                                     const float* x, std::int64_t m, std::int64_t width,
                                     std::int64_t begin, std::int64_t end, std::int64_t num_outputs,
                                     float* y) {
  constexpr int C = 4 / R, kPerWord = Packing::kPerWord, kWords = kBlock / kPerWord;
  const std::int64_t blocks = width / kBlock;
  for (std::int64_t group = begin; group < end; ++group) {
    Float16 totals[R]{};
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t place = (group * blocks + b) * kGroup;
      Float16 sums[R][C]{};
      for (int word = 0; word < kWords; ++word) {
        const Int16 packed = load_words(words + (place * kWords) + word * kGroup);
        const float* xw = x + m * width + b * kBlock + word * kPerWord;
#pragma GCC unroll 8
        for (int j = 0; j < kPerWord; ++j) {
          const Float16 value = convert<Float16>(Packing::unpacked(packed, j));
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) sums[r][j % C] += value * xw[r * width + j];
        }
      }
      const auto factors = packing.factors(place);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        Float16 block = sums[r][0];
        for (int c = 1; c < C; ++c) block += sums[r][c];
        totals[r] += packing.product(block, factors, (m + r) * blocks + b);
      }
    }
    for (int r = 0; r < R; ++r) {
      store_group(totals[r], group * kGroup, num_outputs, y + (m + r) * num_outputs);
    }
  }
}

// Calls take(number of rows, first row): four rows of x at a time, then two, then one.
template <typename Take>
PANAL_ALWAYS_INLINE void in_fours(std::int64_t rows, const Take& take) {
  std::int64_t m = 0;
  for (; m + 4 <= rows; m += 4) take(std::integral_constant<int, 4>{}, m);
  for (; m + 2 <= rows; m += 2) take(std::integral_constant<int, 2>{}, m);
  if (m < rows) take(std::integral_constant<int, 1>{}, m);
}

PANAL_ALWAYS_INLINE void matvec_float_body(const float* weight, const float* x, std::int64_t rows,
                                           std::int64_t width, std::int64_t begin, std::int64_t end,
                                           float* y, std::int64_t y_stride) {
  in_fours(rows, [&](auto num_rows, std::int64_t m) PANAL_ALWAYS_INLINE_LAMBDA {
    float_rows<num_rows>(weight, x + m * width, width, begin, end, y + m * y_stride, y_stride);
  });
}

PANAL_ALWAYS_INLINE void matvec_nibbles_body(const std::int32_t* words, const float* scales,
                                             const float* offsets, const float* x,
                                             const float* block_sums, std::int64_t rows,
                                             std::int64_t width, std::int64_t begin,
                                             std::int64_t end, std::int64_t num_outputs, float* y) {
  const Nibbles nibbles{scales, offsets, block_sums};
  in_fours(rows, [&](auto num_rows, std::int64_t m) PANAL_ALWAYS_INLINE_LAMBDA {
    packed_rows<num_rows>(words, nibbles, x, m, width, begin, end, num_outputs, y);
  });
}

PANAL_ALWAYS_INLINE void matvec_bytes_body(const std::int32_t* words, const float* scales,
                                           const float* x, std::int64_t rows, std::int64_t width,
                                           std::int64_t begin, std::int64_t end,
                                           std::int64_t num_outputs, float* y) {
  in_fours(rows, [&](auto num_rows, std::int64_t m) PANAL_ALWAYS_INLINE_LAMBDA {
    packed_rows<num_rows>(words, Bytes{scales}, x, m, width, begin, end, num_outputs, y);
  });
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
