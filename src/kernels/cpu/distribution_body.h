// Read once for each instruction set (each_level.h).

// Not a number passes on from either side.
template <typename Vector>
PANAL_ALWAYS_INLINE Vector larger_or_nan(const Vector& a, const Vector& b) {
  if constexpr (requires { a.low; }) {
    return {larger_or_nan(a.low, b.low), larger_or_nan(a.high, b.high)};
  } else {
    return (a > b) | (a != a) ? a : b;
  }
}

PANAL_ALWAYS_INLINE float largest_or_nan(const Float16& value) {
  const auto best8 = larger_or_nan(half_of<false>(value), half_of<true>(value));
  const auto best4 = larger_or_nan(half_of<false>(best8), half_of<true>(best8));
  return larger_or_nan(larger_or_nan(best4[0], best4[1]), larger_or_nan(best4[2], best4[3]));
}

PANAL_ALWAYS_INLINE void block_maxima_body(const float* logits, std::int64_t width, float* maxima) {
  static_assert(kDistributionBlock == 4 * kWidth);
  std::int64_t i = 0;
  for (; i + kDistributionBlock <= width; i += kDistributionBlock) {
    const float* block = logits + i;
    const Float16 low = larger_or_nan(load(block), load(block + kWidth));
    const Float16 high = larger_or_nan(load(block + 2 * kWidth), load(block + 3 * kWidth));
    *maxima++ = largest_or_nan(larger_or_nan(low, high));
  }
  if (i == width) return;
  float best = logits[i++];
  for (; i < width; ++i) best = larger_or_nan(best, logits[i]);
  *maxima = best;
}

PANAL_ALWAYS_INLINE Float16 weights_of(const Float16& logits, float shift, float scale) {
  const Float16 exponent = (logits - shift) * scale;
  return select(exponent < -87.0f, Float16{}, exponential(exponent));
}

PANAL_ALWAYS_INLINE void softmax_weights_body(const float* logits, std::int64_t width, float shift,
                                              float scale, float* weights) {
  for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    store(weights + i, weights_of(load(logits + i, used), shift, scale), used);
  });
}

PANAL_ALWAYS_INLINE void block_weights_body(const float* logits, std::int64_t width, float shift,
                                            float scale, float* sums) {
  std::int64_t i = 0;
  for (; i + kDistributionBlock <= width; i += kDistributionBlock) {
    Float16 total = weights_of(load(logits + i), shift, scale);
    for (std::int64_t part = kWidth; part < kDistributionBlock; part += kWidth)
      total += weights_of(load(logits + i + part), shift, scale);
    *sums++ = sum(total);
  }
  if (i == width) return;
  float rest[kDistributionBlock] = {};
  softmax_weights_body(logits + i, width - i, shift, scale, rest);
  Float16 total = load(rest);
  for (std::int64_t part = kWidth; part < kDistributionBlock; part += kWidth)
    total += load(rest + part);
  *sums = sum(total);
}
