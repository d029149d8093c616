// Read once for each instruction set (each_level.h).
//
// Every product here multiplies two small tiles of "lanes". A lane is a float, or a pair of
// bfloat16 that one instruction multiplies and adds; so the same loops serve both, and a tile has
// three forms:
//   rows        [row][width / per lane]   neighbours along the width share a lane
//   transposed  [width / per lane][row]   the same lanes the other way: the right factor of X Y^T
//   natural     [row / per lane][width]   neighbouring rows share a lane: the right factor of X Y
// For floats, rows and natural are one.

#include "kernels/cpu/lanes.h"

// A factor of a product: lane (row, step) is at data[row * row_stride + step * step_stride].
template <typename Lane>
struct LeftFactor {
  const Lane* data;
  std::int64_t row_stride, step_stride;
};

template <typename Lanes, int Rows, int Columns>
PANAL_ALWAYS_INLINE void product_tile(const LeftFactor<typename Lanes::Lane>& a,
                                      const typename Lanes::Lane* b, std::int64_t b_stride,
                                      std::int64_t steps, float* c, std::int64_t c_stride,
                                      bool adds) {
  using Vector = typename Lanes::Vector;
  Float16 sums[Rows][Columns];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n)
      sums[r][n] = adds ? load(c + r * c_stride + n * kWidth) : Float16{};
  }
  for (std::int64_t step = 0; step < steps; ++step) {
    Vector right[Columns];
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n)
      right[n] = load_lanes<Vector>(b + step * b_stride + n * kWidth);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const Vector left = Vector{} + a.data[r * a.row_stride + step * a.step_stride];
#pragma GCC unroll 8
      for (int n = 0; n < Columns; ++n) Lanes::multiply_add(sums[r][n], left, right[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < Columns; ++n) store(c + r * c_stride + n * kWidth, sums[r][n]);
  }
}

// c [64, columns] (+)= a [64, steps] b [steps, columns]; columns a multiple of 16.
template <typename Lanes>
PANAL_ALWAYS_INLINE void product(const LeftFactor<typename Lanes::Lane>& a,
                                 const typename Lanes::Lane* b, std::int64_t steps,
                                 std::int64_t columns, float* c, bool adds) {
  // As many sums as the registers hold beside the factors.
  constexpr int kRows = 4, kColumns = PANAL_REGISTER_BYTES == 64 ? 4 : 1;
  std::int64_t column = 0;
  for (; column + kColumns * kWidth <= columns; column += kColumns * kWidth) {
    for (std::int64_t row = 0; row < kBlockRows; row += kRows) {
      product_tile<Lanes, kRows, kColumns>(
          {a.data + row * a.row_stride, a.row_stride, a.step_stride}, b + column, columns, steps,
          c + row * columns + column, columns, adds);
    }
  }
  for (; column < columns; column += kWidth) {
    for (std::int64_t row = 0; row < kBlockRows; row += kRows) {
      product_tile<Lanes, kRows, 1>({a.data + row * a.row_stride, a.row_stride, a.step_stride},
                                    b + column, columns, steps, c + row * columns + column, columns,
                                    adds);
    }
  }
}

// The rows form of `count` tokens, padded with zeros to 64 rows of `columns` elements.
template <typename Element>
PANAL_ALWAYS_INLINE void pack_rows(const Element* from, std::int64_t stride, std::int64_t count,
                                   std::int64_t width, std::int64_t columns, Element* to) {
  for (std::int64_t row = 0; row < kBlockRows; ++row, to += columns) {
    if (row < count) {
      std::memcpy(to, from + row * stride, static_cast<std::size_t>(width) * sizeof(Element));
    }
    const std::int64_t filled = row < count ? width : 0;
    std::memset(to + filled, 0, static_cast<std::size_t>(columns - filled) * sizeof(Element));
  }
}

template <typename Lane>
PANAL_ALWAYS_INLINE void transpose_rows(const Lane* rows, std::int64_t lanes, Lane* to) {
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    for (std::int64_t row = 0; row < kBlockRows; ++row)
      to[lane * kBlockRows + row] = rows[row * lanes + lane];
  }
}

// For floats the rows form is the natural one already, so nothing calls this.
PANAL_ALWAYS_INLINE void pair_rows(const std::uint16_t* rows, std::int64_t columns,
                                   std::uint32_t* to) {
  for (std::int64_t row = 0; row < kBlockRows; row += 2, to += columns) {
    const std::uint16_t *low = rows + row * columns, *high = low + columns;
    for (std::int64_t i = 0; i < columns; i += kWidth) {
      const auto a = convert<Bits16>(load_as<HalfBits16>(low + i));
      const auto b = convert<Bits16>(load_as<HalfBits16>(high + i));
      store_as(to + i, a | (b << 16));
    }
  }
}

// All blocks of one head, in the forms its products want.
template <typename Lanes>
struct Packed {
  using Lane = typename Lanes::Lane;
  Lane* rows = nullptr;
  Lane* transposed = nullptr;
  Lane* natural = nullptr;
};

struct Forms {
  bool transposed = false, natural = false;
};

// Hands out scratch memory; every piece starts at a cache line.
class Pieces {
 public:
  PANAL_ALWAYS_INLINE explicit Pieces(std::byte* from)
      : next_(reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(from) + 63) &
                                           ~std::uintptr_t{63})) {}
  template <typename T>
  PANAL_ALWAYS_INLINE T* take(std::int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) & ~std::size_t{63};
    return piece;
  }

 private:
  std::byte* next_;
};

template <typename Lanes>
PANAL_ALWAYS_INLINE Packed<Lanes> pack_head(const typename Lanes::Element* from,
                                            std::int64_t stride, const AttentionPlan& plan,
                                            Forms forms, Pieces& pieces) {
  using Element = typename Lanes::Element;
  using Lane = typename Lanes::Lane;
  const std::int64_t columns = padded(plan.width), lanes = columns / Lanes::kPerLane;
  const std::int64_t blocks = num_blocks(plan), tile = kBlockRows * lanes;
  Packed<Lanes> packed;
  packed.rows = pieces.template take<Lane>(blocks * tile);
  if (forms.transposed) packed.transposed = pieces.template take<Lane>(blocks * tile);
  packed.natural = packed.rows;
  if (forms.natural && Lanes::kPerLane > 1)
    packed.natural = pieces.template take<Lane>(blocks * tile);
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = block * kBlockRows;
    Lane* rows = packed.rows + block * tile;
    pack_rows(from + first * stride, stride,
              plan.length - first < kBlockRows ? plan.length - first : kBlockRows, plan.width,
              columns, reinterpret_cast<Element*>(rows));
    if (forms.transposed) transpose_rows(rows, lanes, packed.transposed + block * tile);
    if constexpr (Lanes::kPerLane > 1) {
      if (forms.natural) {
        pair_rows(reinterpret_cast<const Element*>(rows), columns, packed.natural + block * tile);
      }
    }
  }
  return packed;
}

// Scales scores [64, 64] of a query and a key block and hides the keys a query must not see.
PANAL_ALWAYS_INLINE void scale_and_mask(const AttentionPlan& plan, std::int64_t first_query,
                                        std::int64_t first_key, float* scores) {
  const bool is_diagonal = first_key + kBlockRows > first_query;
  for (std::int64_t row = 0; row < kBlockRows; ++row, scores += kBlockRows) {
    for (std::int64_t i = 0; i < kBlockRows; i += kWidth)
      store(scores + i, load(scores + i) * plan.scale);
    const std::int64_t query = first_query + row;
    if (is_diagonal) {
      for (std::int64_t key = query - first_key + 1 > 0 ? query - first_key + 1 : 0;
           key < kBlockRows; ++key)
        scores[key] = kMasked;
    }
    if (plan.first_keys != nullptr && query < plan.length) {
      const std::int64_t hidden = plan.first_keys[query] - first_key;
      for (std::int64_t key = 0; key < (hidden < kBlockRows ? hidden : kBlockRows); ++key)
        scores[key] = kMasked;
    }
  }
}

// The first key block that any query of the block sees: first_keys never falls along a sequence of
// whole documents, but nothing here rests on that.
PANAL_ALWAYS_INLINE std::int64_t first_key_block(const AttentionPlan& plan,
                                                 std::int64_t query_block) {
  if (plan.first_keys == nullptr) return 0;
  std::int64_t first = plan.length;
  for (std::int64_t row = query_block * kBlockRows;
       row < plan.length && row < (query_block + 1) * kBlockRows; ++row)
    first = plan.first_keys[row] < first ? plan.first_keys[row] : first;
  return first / kBlockRows;
}

// One step of the online softmax: scores become shares, the sums so far are brought to the new
// maximum.
PANAL_ALWAYS_INLINE void absorb_scores(float* scores, float* maxima, float* sums, float* totals,
                                       std::int64_t columns) {
  for (std::int64_t row = 0; row < kBlockRows; ++row, scores += kBlockRows, totals += columns) {
    Float16 bests = load(scores);
    for (std::int64_t i = kWidth; i < kBlockRows; i += kWidth)
      bests = maximum(bests, load(scores + i));
    const float best = largest(bests);
    const float shift = best > maxima[row] ? best : maxima[row];
    Float16 parts{};
    for (std::int64_t i = 0; i < kBlockRows; i += kWidth) {
      const Float16 share = exponential(load(scores + i) - shift);
      store(scores + i, share);
      parts += share;
    }
    const float fade = scalar_exponential(maxima[row] - shift);
    sums[row] = sums[row] * fade + sum(parts);
    if (shift != maxima[row]) {
      for (std::int64_t i = 0; i < columns; i += kWidth) store(totals + i, load(totals + i) * fade);
    }
    maxima[row] = shift;
  }
}

template <typename Lanes>
PANAL_ALWAYS_INLINE void attention_body(const typename Lanes::Element* q,
                                        const typename Lanes::Element* k,
                                        const typename Lanes::Element* v, const AttentionPlan& plan,
                                        typename Lanes::Element* out, float* log_sum_exp,
                                        std::byte* scratch) {
  using Element = typename Lanes::Element;
  using Lane = typename Lanes::Lane;
  const std::int64_t columns = padded(plan.width), lanes = columns / Lanes::kPerLane;
  const std::int64_t tile = kBlockRows * lanes, key_lanes = kBlockRows / Lanes::kPerLane;
  Pieces pieces(scratch);
  const auto keys = pack_head<Lanes>(k, plan.key_stride, plan, {.transposed = true}, pieces);
  const auto values = pack_head<Lanes>(v, plan.value_stride, plan, {.natural = true}, pieces);
  Lane* queries = pieces.take<Lane>(tile);
  Lane* shares = pieces.take<Lane>(kBlockRows * key_lanes);
  float* scores = pieces.take<float>(kBlockRows * kBlockRows);
  float* totals = pieces.take<float>(kBlockRows * columns);
  float* maxima = pieces.take<float>(kBlockRows);
  float* sums = pieces.take<float>(kBlockRows);
  for (std::int64_t head = 0; head < plan.group; ++head) {
    for (std::int64_t block = 0; block < num_blocks(plan); ++block) {
      const std::int64_t first = block * kBlockRows;
      const std::int64_t count =
          plan.length - first < kBlockRows ? plan.length - first : kBlockRows;
      pack_rows(q + first * plan.query_stride + head * plan.width, plan.query_stride, count,
                plan.width, columns, reinterpret_cast<Element*>(queries));
      for (std::int64_t i = 0; i < kBlockRows; ++i) maxima[i] = kMasked, sums[i] = 0;
      std::memset(totals, 0, static_cast<std::size_t>(kBlockRows * columns) * sizeof(float));
      for (std::int64_t other = first_key_block(plan, block); other <= block; ++other) {
        product<Lanes>({queries, lanes, 1}, keys.transposed + other * tile, lanes, kBlockRows,
                       scores, false);
        scale_and_mask(plan, first, other * kBlockRows, scores);
        absorb_scores(scores, maxima, sums, totals, columns);
        const Lane* left = reinterpret_cast<const Lane*>(scores);
        if constexpr (Lanes::kPerLane > 1) {
          auto* to = reinterpret_cast<Element*>(shares);
          for (std::int64_t i = 0; i < kBlockRows * kBlockRows; i += kWidth)
            store(to + i, load(scores + i));
          left = shares;
        }
        product<Lanes>({left, key_lanes, 1}, values.natural + other * tile, key_lanes, columns,
                       totals, true);
      }
      for (std::int64_t row = 0; row < count; ++row) {
        log_sum_exp[head * plan.length + first + row] = maxima[row] + std::log(sums[row]);
        const float scale = 1.0f / sums[row];
        Element* to = out + (first + row) * plan.out_stride + head * plan.width;
        const float* total = totals + row * columns;
        std::int64_t i = 0;
        for (; i + kWidth <= plan.width; i += kWidth) store(to + i, load(total + i) * scale);
        for (; i < plan.width; ++i) set_value(to[i], total[i] * scale);
      }
    }
  }
}

// Row sums of out * out_gradient: what softmax's gradient subtracts.
template <typename Element>
PANAL_ALWAYS_INLINE void row_projections(const Element* out, const Element* gradient,
                                         const AttentionPlan& plan, float* projections) {
  for (std::int64_t t = 0; t < plan.length; ++t) {
    const Element *a = out + t * plan.out_stride, *b = gradient + t * plan.out_stride;
    Float16 parts{};
    std::int64_t i = 0;
    for (; i + kWidth <= plan.width; i += kWidth) parts += load(a + i) * load(b + i);
    float total = sum(parts);
    for (; i < plan.width; ++i) total += value_of(a[i]) * value_of(b[i]);
    projections[t] = total;
  }
}

// shares and share gradients [64, 64] become softmax's shares P and the scores' gradients dS.
PANAL_ALWAYS_INLINE void softmax_backward(const AttentionPlan& plan, std::int64_t first_query,
                                          const float* log_sum_exp, const float* projections,
                                          float* scores, float* gradients) {
  for (std::int64_t row = 0; row < kBlockRows;
       ++row, scores += kBlockRows, gradients += kBlockRows) {
    const std::int64_t query = first_query + row;
    if (query >= plan.length) {
      std::memset(scores, 0, kBlockRows * sizeof(float));
      std::memset(gradients, 0, kBlockRows * sizeof(float));
      continue;
    }
    const float shift = log_sum_exp[query], projection = projections[query];
    for (std::int64_t i = 0; i < kBlockRows; i += kWidth) {
      const Float16 share = exponential(load(scores + i) - shift);
      store(scores + i, share);
      store(gradients + i, share * (load(gradients + i) - projection) * plan.scale);
    }
  }
}

// The natural form, and when asked for the rows form, of a tile of floats [64, 64].
PANAL_ALWAYS_INLINE void round_tile(const float* tile, std::uint32_t* natural,
                                    std::uint16_t* rows) {
  for (std::int64_t row = 0; row < kBlockRows; row += 2, natural += kBlockRows) {
    for (std::int64_t i = 0; i < kBlockRows; i += kWidth) {
      const Bits16 low = rounded_bits(load(tile + row * kBlockRows + i));
      const Bits16 high = rounded_bits(load(tile + (row + 1) * kBlockRows + i));
      store_as(natural + i, low | (high << 16));
      if (rows == nullptr) continue;
      store_as(rows + row * kBlockRows + i, convert<HalfBits16>(low));
      store_as(rows + (row + 1) * kBlockRows + i, convert<HalfBits16>(high));
    }
  }
}

template <typename Element>
PANAL_ALWAYS_INLINE void write_gradient(const float* from, const AttentionPlan& plan,
                                        std::int64_t stride, Element* to) {
  const std::int64_t columns = padded(plan.width);
  for (std::int64_t t = 0; t < plan.length; ++t, from += columns, to += stride) {
    std::int64_t i = 0;
    for (; i + kWidth <= plan.width; i += kWidth) store(to + i, load(from + i));
    for (; i < plan.width; ++i) set_value(to[i], from[i]);
  }
}

template <typename Lanes>
PANAL_ALWAYS_INLINE void attention_backward_body(
    const AttentionTensors<typename Lanes::Element>& tensors, const AttentionPlan& plan,
    std::byte* scratch) {
  using Element = typename Lanes::Element;
  using Lane = typename Lanes::Lane;
  const std::int64_t columns = padded(plan.width), lanes = columns / Lanes::kPerLane;
  const std::int64_t tile = kBlockRows * lanes, key_lanes = kBlockRows / Lanes::kPerLane;
  const std::int64_t blocks = num_blocks(plan), total = blocks * kBlockRows * columns;
  Pieces pieces(scratch);
  const auto keys = pack_head<Lanes>(tensors.k, plan.key_stride, plan,
                                     {.transposed = true, .natural = true}, pieces);
  const auto values =
      pack_head<Lanes>(tensors.v, plan.value_stride, plan, {.transposed = true}, pieces);
  float* key_gradient = pieces.take<float>(total);
  float* value_gradient = pieces.take<float>(total);
  float* query_gradient = pieces.take<float>(total);
  float* projections = pieces.take<float>(plan.length);
  float* scores = pieces.take<float>(kBlockRows * kBlockRows);
  float* gradients = pieces.take<float>(kBlockRows * kBlockRows);
  Lane* shares = pieces.take<Lane>(kBlockRows * key_lanes);
  Lane* natural_gradients = pieces.take<Lane>(kBlockRows * key_lanes);
  Lane* row_gradients = pieces.take<Lane>(kBlockRows * key_lanes);
  std::memset(key_gradient, 0, static_cast<std::size_t>(total) * sizeof(float));
  std::memset(value_gradient, 0, static_cast<std::size_t>(total) * sizeof(float));
  const Pieces after_shared = pieces;
  for (std::int64_t head = 0; head < plan.group; ++head) {
    pieces = after_shared;  // Each head's forms overwrite the last one's.
    const std::int64_t offset = head * plan.width;
    const float* log_sum_exp = tensors.log_sum_exp + head * plan.length;
    const auto queries =
        pack_head<Lanes>(tensors.q + offset, plan.query_stride, plan, {.natural = true}, pieces);
    const auto upstream = pack_head<Lanes>(tensors.out_gradient + offset, plan.out_stride, plan,
                                           {.natural = true}, pieces);
    row_projections(tensors.out + offset, tensors.out_gradient + offset, plan, projections);
    std::memset(query_gradient, 0, static_cast<std::size_t>(total) * sizeof(float));
    for (std::int64_t block = 0; block < blocks; ++block) {
      for (std::int64_t other = first_key_block(plan, block); other <= block; ++other) {
        product<Lanes>({queries.rows + block * tile, lanes, 1}, keys.transposed + other * tile,
                       lanes, kBlockRows, scores, false);
        product<Lanes>({upstream.rows + block * tile, lanes, 1}, values.transposed + other * tile,
                       lanes, kBlockRows, gradients, false);
        scale_and_mask(plan, block * kBlockRows, other * kBlockRows, scores);
        softmax_backward(plan, block * kBlockRows, log_sum_exp, projections, scores, gradients);
        const Lane *p = reinterpret_cast<const Lane*>(scores),
                   *ds_natural = reinterpret_cast<const Lane*>(gradients), *ds_rows = ds_natural;
        if constexpr (Lanes::kPerLane > 1) {
          round_tile(scores, shares, nullptr);
          round_tile(gradients, natural_gradients, reinterpret_cast<Element*>(row_gradients));
          p = shares, ds_natural = natural_gradients, ds_rows = row_gradients;
        }
        const std::int64_t at_keys = other * kBlockRows * columns;
        product<Lanes>({p, 1, kBlockRows}, upstream.natural + block * tile, key_lanes, columns,
                       value_gradient + at_keys, true);
        product<Lanes>({ds_natural, 1, kBlockRows}, queries.natural + block * tile, key_lanes,
                       columns, key_gradient + at_keys, true);
        product<Lanes>({ds_rows, key_lanes, 1}, keys.natural + other * tile, key_lanes, columns,
                       query_gradient + block * kBlockRows * columns, true);
      }
    }
    write_gradient(query_gradient, plan, plan.query_stride, tensors.q_gradient + offset);
  }
  write_gradient(key_gradient, plan, plan.key_stride, tensors.k_gradient);
  write_gradient(value_gradient, plan, plan.value_stride, tensors.v_gradient);
}

PANAL_ALWAYS_INLINE void attention_of_floats_body(const float* q, const float* k, const float* v,
                                                  const AttentionPlan& plan, float* out,
                                                  float* log_sum_exp, std::byte* scratch) {
  attention_body<FloatLanes>(q, k, v, plan, out, log_sum_exp, scratch);
}
PANAL_ALWAYS_INLINE void attention_of_pairs_body(const std::uint16_t* q, const std::uint16_t* k,
                                                 const std::uint16_t* v, const AttentionPlan& plan,
                                                 std::uint16_t* out, float* log_sum_exp,
                                                 std::byte* scratch) {
  attention_body<PairLanes<false>>(q, k, v, plan, out, log_sum_exp, scratch);
}
PANAL_ALWAYS_INLINE void attention_backward_of_floats_body(const AttentionTensors<float>& tensors,
                                                           const AttentionPlan& plan,
                                                           std::byte* scratch) {
  attention_backward_body<FloatLanes>(tensors, plan, scratch);
}
PANAL_ALWAYS_INLINE void attention_backward_of_pairs_body(
    const AttentionTensors<std::uint16_t>& tensors, const AttentionPlan& plan, std::byte* scratch) {
  attention_backward_body<PairLanes<false>>(tensors, plan, scratch);
}
