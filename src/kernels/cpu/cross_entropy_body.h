// Read once for each instruction set (each_level.h).

template <typename Stored>
PANAL_ALWAYS_INLINE float row_maximum(const Stored* x, std::int64_t width) {
  float best = value_of(x[0]);
  std::int64_t i = 0;
  if (width >= kWidth) {
    Float16 bests = load(x);
    for (i = kWidth; i + kWidth <= width; i += kWidth) bests = maximum(bests, load(x + i));
    best = largest(bests);
  }
  for (; i < width; ++i) best = value_of(x[i]) > best ? value_of(x[i]) : best;
  return best;
}

// What softmax sees of a logit, and the slope of that by the logit.
struct Plain {
  PANAL_ALWAYS_INLINE Float16 seen(const Float16& x) const { return x; }
  PANAL_ALWAYS_INLINE float seen(float x) const { return x; }
  PANAL_ALWAYS_INLINE Float16 slope(const Float16&) const { return broadcast(1.0f); }
  PANAL_ALWAYS_INLINE float slope(float) const { return 1.0f; }
};
struct Capped {
  float cap;
  PANAL_ALWAYS_INLINE Float16 seen(const Float16& x) const {
    return hyperbolic_tangent(x / cap) * cap;
  }
  PANAL_ALWAYS_INLINE float seen(float x) const { return std::tanh(x / cap) * cap; }
  // From what is seen: 1 - tanh^2.
  PANAL_ALWAYS_INLINE Float16 slope(const Float16& seen) const {
    const Float16 share = seen / cap;
    return 1.0f - share * share;
  }
  PANAL_ALWAYS_INLINE float slope(float seen) const {
    const float share = seen / cap;
    return 1.0f - share * share;
  }
};

// The sum of exp(x - shift), gathered in double so that long rows keep their digits. The single
// exponentials go to `kept` where it is not null; it may be x itself.
template <typename Stored, typename View>
PANAL_ALWAYS_INLINE double sum_of_exponentials(const Stored* x, std::int64_t width, float shift,
                                               const View& view, float* kept) {
  double total = 0;
  std::int64_t i = 0;
  while (i + kWidth <= width) {
    Float16 part{};
    for (int block = 0; block < 64 && i + kWidth <= width; ++block, i += kWidth) {
      const Float16 value = exponential(view.seen(load(x + i)) - shift);
      if (kept != nullptr) store(kept + i, value);
      part += value;
    }
    total += sum(part);
  }
  for (; i < width; ++i) {
    const float value = scalar_exponential(view.seen(value_of(x[i])) - shift);
    if (kept != nullptr) kept[i] = value;
    total += value;
  }
  return total;
}

PANAL_ALWAYS_INLINE float* room_for_exponentials(float* logits, float*) { return logits; }
PANAL_ALWAYS_INLINE float* room_for_exponentials(std::uint16_t*, float* scratch) { return scratch; }

template <typename Stored, typename View>
PANAL_ALWAYS_INLINE void entropy_rows(Stored* logits, const std::int64_t* targets,
                                      std::int64_t rows, std::int64_t width, float gradient_scale,
                                      float* losses, const View& view, float* scratch) {
  for (std::int64_t row = 0; row < rows; ++row, logits += width) {
    const std::int64_t target = targets[row];
    losses[row] = 0;
    if (target < 0) {
      if (gradient_scale != 0)
        std::memset(logits, 0, static_cast<std::size_t>(width) * sizeof(Stored));
      continue;
    }
    const float shift = view.seen(row_maximum(logits, width));
    const float wanted = view.seen(value_of(logits[target]));
    // Kept, the exponentials are computed once: of floats in their own place.
    float* kept = nullptr;
    if constexpr (std::is_same_v<View, Plain>) {
      if (gradient_scale != 0) kept = room_for_exponentials(logits, scratch);
    }
    const double total = sum_of_exponentials(logits, width, shift, view, kept);
    losses[row] = static_cast<float>(std::log(total) + shift - wanted);
    if (gradient_scale == 0) continue;
    const float scale = static_cast<float>(gradient_scale / total);
    // From the float, before the probability is rounded: near 1 the rounding would eat the rest.
    const float of_target =
        (scalar_exponential(wanted - shift) * scale - gradient_scale) * view.slope(wanted);
    if (kept != nullptr) {
      for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
        store(logits + i, load(kept + i, used) * scale, used);
      });
      set_value(logits[target], of_target);
      continue;
    }
    std::int64_t i = 0;
    for (; i + kWidth <= width; i += kWidth) {
      const Float16 seen = view.seen(load(logits + i));
      store(logits + i, exponential(seen - shift) * scale * view.slope(seen));
    }
    for (; i < width; ++i) {
      const float seen = view.seen(value_of(logits[i]));
      set_value(logits[i], scalar_exponential(seen - shift) * scale * view.slope(seen));
    }
    set_value(logits[target], of_target);
  }
}

template <typename Stored>
PANAL_ALWAYS_INLINE void entropy_rows_body(Stored* logits, const std::int64_t* targets,
                                           std::int64_t rows, std::int64_t width,
                                           float gradient_scale, float* losses, float soft_cap,
                                           float* scratch) {
  if (soft_cap == 0) {
    entropy_rows(logits, targets, rows, width, gradient_scale, losses, Plain{}, scratch);
  } else {
    entropy_rows(logits, targets, rows, width, gradient_scale, losses, Capped{soft_cap}, scratch);
  }
}
PANAL_ALWAYS_INLINE void cross_entropy_of_floats_body(float* logits, const std::int64_t* targets,
                                                      std::int64_t rows, std::int64_t width,
                                                      float gradient_scale, float* losses,
                                                      float soft_cap, float* scratch) {
  entropy_rows_body(logits, targets, rows, width, gradient_scale, losses, soft_cap, scratch);
}
PANAL_ALWAYS_INLINE void cross_entropy_of_bfloat16_body(std::uint16_t* logits,
                                                        const std::int64_t* targets,
                                                        std::int64_t rows, std::int64_t width,
                                                        float gradient_scale, float* losses,
                                                        float soft_cap, float* scratch) {
  entropy_rows_body(logits, targets, rows, width, gradient_scale, losses, soft_cap, scratch);
}
