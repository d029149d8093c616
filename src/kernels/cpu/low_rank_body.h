// Read once for each instruction set (each_level.h).

// A tile of `Rows` rows and `Ranks` ranks keeps its sums and broadcasts in registers.
template <int Rows, int Ranks>
PANAL_ALWAYS_INLINE void project_tile(const float* x, const float* w, std::int64_t width,
                                      std::int64_t rank, float scale, float* low) {
  Float16 sums[Rows][Ranks] = {};
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    Float16 weights[Ranks];
    for (int r = 0; r < Ranks; ++r) weights[r] = load(w + r * width + i);
    for (int row = 0; row < Rows; ++row) {
      const Float16 value = load(x + row * width + i);
      for (int r = 0; r < Ranks; ++r) sums[row][r] += value * weights[r];
    }
  }
  for (int row = 0; row < Rows; ++row) {
    for (int r = 0; r < Ranks; ++r) {
      float total = sum(sums[row][r]);
      for (std::int64_t j = i; j < width; ++j) total += x[row * width + j] * w[r * width + j];
      low[row * rank + r] = total * scale;
    }
  }
}

// Each output [width] gains the inputs [width], each by its entry of `low`: the output's number
// times `output_stride` plus the input's times `input_stride`.
template <int Outputs, int Inputs>
PANAL_ALWAYS_INLINE void combine_tile(const float* low, std::int64_t output_stride,
                                      std::int64_t input_stride, const float* inputs,
                                      std::int64_t width, float* outputs) {
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    Float16 values[Inputs];
    for (int k = 0; k < Inputs; ++k) values[k] = load(inputs + k * width + i);
    for (int o = 0; o < Outputs; ++o) {
      Float16 total = load(outputs + o * width + i);
      for (int k = 0; k < Inputs; ++k) {
        total += low[o * output_stride + k * input_stride] * values[k];
      }
      store(outputs + o * width + i, total);
    }
  }
  for (; i < width; ++i) {
    for (int o = 0; o < Outputs; ++o) {
      for (int k = 0; k < Inputs; ++k) {
        outputs[o * width + i] += low[o * output_stride + k * input_stride] * inputs[k * width + i];
      }
    }
  }
}

template <int N>
using Size = std::integral_constant<int, N>;

// Calls tile(number of rows, number of ranks, first row, first rank) until all are covered.
template <typename Tile>
PANAL_ALWAYS_INLINE void for_each_tile(std::int64_t rows, std::int64_t rank, const Tile& tile) {
  constexpr int kRows = 4, kRanks = 4;
  const auto cover_ranks = [&](auto num_rows, std::int64_t row) PANAL_ALWAYS_INLINE_LAMBDA {
    std::int64_t r = 0;
    for (; r + kRanks <= rank; r += kRanks) tile(num_rows, Size<kRanks>{}, row, r);
    for (; r < rank; ++r) tile(num_rows, Size<1>{}, row, r);
  };
  std::int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) cover_ranks(Size<kRows>{}, row);
  for (; row < rows; ++row) cover_ranks(Size<1>{}, row);
}

PANAL_ALWAYS_INLINE void low_rank_project_body(const float* x, const float* w, std::int64_t rows,
                                               std::int64_t width, std::int64_t rank, float scale,
                                               float* low) {
  for_each_tile(rows, rank,
                [&](auto num_rows, auto num_ranks, std::int64_t row, std::int64_t r)
                    PANAL_ALWAYS_INLINE_LAMBDA {
                      project_tile<num_rows, num_ranks>(x + row * width, w + r * width, width, rank,
                                                        scale, low + row * rank + r);
                    });
}

PANAL_ALWAYS_INLINE void low_rank_expand_body(const float* low, const float* w, std::int64_t rows,
                                              std::int64_t width, std::int64_t rank, float* y) {
  for_each_tile(rows, rank,
                [&](auto num_rows, auto num_ranks, std::int64_t row, std::int64_t r)
                    PANAL_ALWAYS_INLINE_LAMBDA {
                      combine_tile<num_rows, num_ranks>(low + row * rank + r, rank, 1,
                                                        w + r * width, width, y + row * width);
                    });
}

PANAL_ALWAYS_INLINE void low_rank_gather_body(const float* low, const float* x, std::int64_t rows,
                                              std::int64_t width, std::int64_t rank, float* total) {
  for_each_tile(rows, rank,
                [&](auto num_rows, auto num_ranks, std::int64_t row, std::int64_t r)
                    PANAL_ALWAYS_INLINE_LAMBDA {
                      combine_tile<num_ranks, num_rows>(low + row * rank + r, 1, rank,
                                                        x + row * width, width, total + r * width);
                    });
}
