// Read once for each instruction set (each_level.h).

#include "kernels/cpu/lanes.h"

// Where a packed panel begins, in lanes.
constexpr std::int64_t panel_place(std::int64_t panel, std::int64_t lanes) {
  return panel * kProductPanel * lanes;
}

template <typename Lane>
PANAL_ALWAYS_INLINE Lane lane_at(const Lane* from) {
  Lane value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The lanes of eight rows: row r's lane of a step is at rows[r][step * kStride].
template <typename Lanes, int Columns, int kStride>
PANAL_ALWAYS_INLINE void tile(const typename Lanes::Lane* const (&rows)[kRows],
                              const typename Lanes::Lane* right, std::int64_t steps,
                              float (&sums)[kRows][kProductPanel]) {
  using Vector = typename Lanes::Vector;
  Float16 totals[kRows][Columns];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n) totals[r][n] = Float16{};
  }
  for (std::int64_t step = 0; step < steps; ++step, right += Columns * kWidth) {
    Vector lanes[Columns];
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n) lanes[n] = load_lanes<Vector>(right + n * kWidth);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vector left = Vector{} + lane_at(rows[r] + step * kStride);
#pragma GCC unroll 8
      for (int n = 0; n < Columns; ++n) Lanes::multiply_add(totals[r][n], left, lanes[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n) store(sums[r] + n * kWidth, totals[r][n]);
  }
}

// Puts away row by row what tile() made.
template <typename Element>
PANAL_ALWAYS_INLINE void put(const float (&sums)[kRows][kProductPanel], std::int64_t rows,
                             std::int64_t columns, const ProductTarget<Element>& target,
                             std::int64_t row, std::int64_t column) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* from = sums[r];
    const std::int64_t place = (row + r) * target.stride + column;
    for_each_vector(columns, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
      Float16 value = load(from + i);
      if (target.before != nullptr)
        value += load(target.before + (row + r) * target.before_stride + column + i, used);
      if (target.bias != nullptr) value += load(target.bias + column + i, used);
      if (target.rounded != nullptr) {
        store(target.rounded + place + i, value, used);
      } else {
        store(target.floats + place + i, value, used);
      }
    });
  }
}

// Up to eight elements of a row, and for bfloat16 of the next row too: their lanes.
PANAL_ALWAYS_INLINE void put_eight(const float* from, std::int64_t, std::size_t count, float* to) {
  std::memset(to, 0, kRows * sizeof(float));
  std::memcpy(to, from, count * sizeof(float));
}
PANAL_ALWAYS_INLINE void put_eight(const std::uint16_t* from, std::int64_t stride,
                                   std::size_t count, std::uint32_t* to) {
  using Half8 = std::uint16_t __attribute__((vector_size(16)));
  using Bits8 = std::uint32_t __attribute__((vector_size(32)));
  Half8 low{}, high{};
  std::memcpy(&low, from, count * 2);
  std::memcpy(&high, from + stride, count * 2);
  const Bits8 pair = convert<Bits8>(low) | (convert<Bits8>(high) << 16);
  std::memcpy(to, &pair, sizeof pair);
}

// A transposed left factor by eights of rows: [eight][step][8 rows] in lanes, zeros behind `rows`.
// Steps are the outer loop, so that each line of memory is used up when it comes.
template <typename Lanes>
PANAL_ALWAYS_INLINE void transpose_rows(const ProductGroup<typename Lanes::Element>& group) {
  using Lane = typename Lanes::Lane;
  const std::int64_t lanes = group.steps / Lanes::kPerLane, stride = group.left.stride;
  const std::int64_t whole = group.rows / kRows * kRows, eight = lanes + kGap / kRows;
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(typename Lanes::Element));
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    const auto* from = group.left.data + lane * Lanes::kPerLane * stride;
    for (std::int64_t row = 0; row < group.rows; row += kLine) {
      for (std::int64_t i = 0; i < Lanes::kPerLane; ++i)
        __builtin_prefetch(from + (kAhead * Lanes::kPerLane + i) * stride + row);
    }
    auto* to = reinterpret_cast<Lane*>(group.transposed) + lane * kRows;
    for (std::int64_t row = 0; row < whole; row += kRows)
      put_eight(from + row, stride, kRows, to + row * eight);
    if (whole < group.rows) {
      put_eight(from + whole, stride, static_cast<std::size_t>(group.rows - whole),
                to + whole * eight);
    }
  }
}

// Asks for what put() will read, while the tile is computed.
template <typename Element>
PANAL_ALWAYS_INLINE void prefetch_before(const ProductTarget<Element>& target, std::int64_t row,
                                         std::int64_t rows, std::int64_t column) {
  if (target.before == nullptr) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* line = target.before + (row + r) * target.before_stride + column;
    for (int n = 0; n < kColumns; ++n) __builtin_prefetch(line + n * kWidth, 1);
  }
}

template <typename Lanes, int Columns>
PANAL_ALWAYS_INLINE void multiply_panel(const ProductGroup<typename Lanes::Element>& group,
                                        const typename Lanes::Lane* right, std::int64_t column) {
  using Lane = typename Lanes::Lane;
  const std::int64_t steps = group.steps / Lanes::kPerLane;
  alignas(64) float sums[kRows][kProductPanel];
  for (std::int64_t row = 0; row < group.rows; row += kRows) {
    const std::int64_t count = std::min<std::int64_t>(kRows, group.rows - row);
    prefetch_before(group.target, row, count, column);
    const Lane* rows[kRows];
    if (group.left.is_transposed) {
      for (int r = 0; r < kRows; ++r)
        rows[r] =
            reinterpret_cast<const Lane*>(group.transposed) + row * (steps + kGap / kRows) + r;
      tile<Lanes, Columns, kRows>(rows, right, steps, sums);
    } else {
      // Rows behind the last are the last again; put() leaves them out.
      for (int r = 0; r < kRows; ++r)
        rows[r] = reinterpret_cast<const Lane*>(
            group.left.data + (row + std::min<std::int64_t>(r, count - 1)) * group.left.stride);
      tile<Lanes, Columns, 1>(rows, right, steps, sums);
    }
    put(sums, count, std::min(kProductPanel, group.columns - column), group.target, row, column);
  }
}

template <typename Lanes>
PANAL_ALWAYS_INLINE void multiply_group_body(const ProductGroup<typename Lanes::Element>& group) {
  using Lane = typename Lanes::Lane;
  const std::int64_t steps = group.steps / Lanes::kPerLane;
  if (group.left.is_transposed) transpose_rows<Lanes>(group);
  for (std::int64_t panel = group.first_panel; panel < group.last_panel; ++panel) {
    const std::int64_t column = panel * kProductPanel;
    const auto* right = reinterpret_cast<const Lane*>(group.packed) + panel_place(panel, steps);
    switch ((std::min(kProductPanel, group.columns - column) + kWidth - 1) / kWidth) {
      case 1:
        multiply_panel<Lanes, 1>(group, right, column);
        break;
      case 2:
        multiply_panel<Lanes, 2>(group, right, column);
        break;
      default:
        multiply_panel<Lanes, kColumns>(group, right, column);
    }
  }
}

// Sixteen rows of sixteen lanes become columns: four times the rows' halves are interleaved.
template <typename Vector, typename Lane>
PANAL_ALWAYS_INLINE void transpose_lanes(const Lane* const (&from)[kWidth], std::int64_t offset,
                                         Lane* to, std::int64_t stride) {
  Vector rows[kWidth], transposed[kWidth];
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) rows[i] = load_lanes<Vector>(from[i] + offset);
#pragma GCC unroll 4
  for (int pass = 0; pass < 4; ++pass) {
#pragma GCC unroll 8
    for (int i = 0; i < kWidth / 2; ++i) {
      transposed[2 * i] = interleave<false>(rows[i], rows[i + 8]);
      transposed[2 * i + 1] = interleave<true>(rows[i], rows[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) rows[i] = transposed[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) store_as(to + i * stride, rows[i]);
}

// A panel is [step][columns, filled up to whole vectors] in lanes. Here of columns that lie one
// behind the other.
template <typename Lanes>
PANAL_ALWAYS_INLINE void pack_panel(const ProductFactor<typename Lanes::Element>& right,
                                    std::int64_t first, std::int64_t count, std::int64_t lanes,
                                    typename Lanes::Lane* to) {
  using Lane = typename Lanes::Lane;
  const std::int64_t width = (count + kWidth - 1) / kWidth * kWidth;
  for (std::int64_t column = 0; column < width; column += kWidth) {
    const Lane* from[kWidth];
    // Columns behind the last are the last again; nobody reads what comes of them.
    for (std::int64_t i = 0; i < kWidth; ++i)
      from[i] = reinterpret_cast<const Lane*>(
          right.data + (first + std::min(column + i, count - 1)) * right.stride);
    std::int64_t lane = 0;
    for (; lane + kWidth <= lanes; lane += kWidth) {
      // Sixteen streams are more than the hardware follows.
      for (std::int64_t i = 0; i < kWidth; ++i)
        __builtin_prefetch(reinterpret_cast<const typename Lanes::Element*>(from[i] + lane) +
                           kWidth * right.stride);
      transpose_lanes<typename Lanes::Vector>(from, lane, to + lane * width + column, width);
    }
    for (; lane < lanes; ++lane) {
      for (std::int64_t i = 0; i < kWidth; ++i)
        to[lane * width + column + i] = lane_at(from[i] + lane);
    }
  }
}

// One lane of up to 16 columns that lie side by side.
template <typename Used>
PANAL_ALWAYS_INLINE void pack_vector(const float* from, std::int64_t, Used used, float* to) {
  store(to, load(from, used));
}
template <typename Used>
PANAL_ALWAYS_INLINE void pack_vector(const std::uint16_t* from, std::int64_t stride, Used used,
                                     std::uint32_t* to) {
  const auto low = bits_as<Bits16>(load(from, used));
  const auto high = bits_as<Bits16>(load(from + stride, used));
  store_as(to, (low >> 16) | high);
}

// Shares of columns that lie one behind the other are panels, of others steps.
template <typename Lanes>
PANAL_ALWAYS_INLINE void pack_share_body(const ProductFactor<typename Lanes::Element>& right,
                                         std::int64_t columns, std::int64_t steps,
                                         ProductShare share, typename Lanes::Element* packed) {
  using Lane = typename Lanes::Lane;
  const std::int64_t lanes = steps / Lanes::kPerLane;
  auto* const to = reinterpret_cast<Lane*>(packed);
  const auto begin_of = [&](std::int64_t count, std::int64_t part)
                            PANAL_ALWAYS_INLINE_LAMBDA { return count * part / share.parts; };
  if (!right.is_transposed) {
    const std::int64_t panels = (columns + kProductPanel - 1) / kProductPanel;
    for (std::int64_t panel = begin_of(panels, share.part);
         panel < begin_of(panels, share.part + 1); ++panel) {
      const std::int64_t first = panel * kProductPanel;
      pack_panel<Lanes>(right, first, std::min(kProductPanel, columns - first), lanes,
                        to + panel_place(panel, lanes));
    }
    return;
  }
  for (std::int64_t lane = begin_of(lanes, share.part); lane < begin_of(lanes, share.part + 1);
       ++lane) {
    const auto* from = right.data + lane * Lanes::kPerLane * right.stride;
    for (std::int64_t first = 0; first < columns; first += kProductPanel) {
      const std::int64_t count = std::min(kProductPanel, columns - first);
      const std::int64_t width = (count + kWidth - 1) / kWidth * kWidth;
      Lane* const row = to + panel_place(first / kProductPanel, lanes) + lane * width;
      for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
        pack_vector(from + first + i, right.stride, used, row + i);
      });
    }
  }
}

PANAL_ALWAYS_INLINE void multiply_floats_body(const ProductGroup<float>& group) {
  multiply_group_body<FloatLanes>(group);
}
PANAL_ALWAYS_INLINE void multiply_pairs_body(const ProductGroup<std::uint16_t>& group) {
  multiply_group_body<PairLanes<false>>(group);
}
PANAL_ALWAYS_INLINE void pack_floats_body(const ProductFactor<float>& right, std::int64_t columns,
                                          std::int64_t steps, ProductShare share, float* packed) {
  pack_share_body<FloatLanes>(right, columns, steps, share, packed);
}
PANAL_ALWAYS_INLINE void pack_pairs_body(const ProductFactor<std::uint16_t>& right,
                                         std::int64_t columns, std::int64_t steps,
                                         ProductShare share, std::uint16_t* packed) {
  pack_share_body<PairLanes<false>>(right, columns, steps, share, packed);
}
