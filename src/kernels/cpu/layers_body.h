// Read once for each instruction set (each_level.h).

PANAL_ALWAYS_INLINE float row_dot(const float* a, const float* b, std::int64_t width) {
  Float16 first{}, second{};
  std::int64_t i = 0;
  for (; i + 2 * kWidth <= width; i += 2 * kWidth) {
    first += load(a + i) * load(b + i);
    second += load(a + i + kWidth) * load(b + i + kWidth);
  }
  for (; i + kWidth <= width; i += kWidth) first += load(a + i) * load(b + i);
  float total = sum(first + second);
  for (; i < width; ++i) total += a[i] * b[i];
  return total;
}

PANAL_ALWAYS_INLINE void rms_norm_body(const float* x, const float* weight, float epsilon,
                                       std::int64_t rows, std::int64_t width, float* y,
                                       float* inverse_rms) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width) {
    const float scale =
        1.0f / std::sqrt(row_dot(x, x, width) / static_cast<float>(width) + epsilon);
    inverse_rms[row] = scale;
    std::int64_t i = 0;
    for (; i + kWidth <= width; i += kWidth) store(y + i, load(x + i) * scale * load(weight + i));
    for (; i < width; ++i) y[i] = x[i] * scale * weight[i];
  }
}

PANAL_ALWAYS_INLINE void rms_norm_backward_body(const float* dy, const float* x,
                                                const float* weight, const float* inverse_rms,
                                                std::int64_t rows, std::int64_t width, float* dx,
                                                float* weight_gradient) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width) {
    const float scale = inverse_rms[row];
    Float16 total{};
    std::int64_t i = 0;
    for (; i + kWidth <= width; i += kWidth) total += load(dy + i) * load(weight + i) * load(x + i);
    float projection = sum(total);
    for (; i < width; ++i) projection += dy[i] * weight[i] * x[i];
    projection *= scale * scale / static_cast<float>(width);
    for (i = 0; i + kWidth <= width; i += kWidth) {
      store(dx + i, (load(dy + i) * load(weight + i) - load(x + i) * projection) * scale);
    }
    for (; i < width; ++i) dx[i] = (dy[i] * weight[i] - x[i] * projection) * scale;
    if (weight_gradient == nullptr) continue;
    for (i = 0; i + kWidth <= width; i += kWidth) {
      store(weight_gradient + i, load(weight_gradient + i) + load(dy + i) * load(x + i) * scale);
    }
    for (; i < width; ++i) weight_gradient[i] += dy[i] * x[i] * scale;
  }
}

template <typename Element>
PANAL_ALWAYS_INLINE void rotate_body(const Element* in, std::int64_t in_stride, Element* out,
                                     std::int64_t out_stride, const std::int64_t* positions,
                                     std::int64_t rows, std::int64_t heads, std::int64_t head_width,
                                     const float* cosine, const float* sine, float sign) {
  const std::int64_t half = head_width / 2;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* c = cosine + positions[row] * half;
    const float* s = sine + positions[row] * half;
    for (std::int64_t head = 0; head < heads; ++head) {
      const Element* from = in + row * in_stride + head * head_width;
      Element* to = out + row * out_stride + head * head_width;
      for_each_vector(half, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
        const Float16 a = load(from + i, used), b = load(from + half + i, used);
        const Float16 turn = load(s + i, used) * sign, keep = load(c + i, used);
        store(to + i, a * keep - b * turn, used);
        store(to + half + i, b * keep + a * turn, used);
      });
    }
  }
}

template <typename Element>
PANAL_ALWAYS_INLINE void swiglu_body(const Element* gate, const Element* up, std::int64_t count,
                                     Element* y) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    store(y + i, silu(load(gate + i, used)) * load(up + i, used), used);
  });
}

template <typename Element>
PANAL_ALWAYS_INLINE void swiglu_backward_body(const Element* dy, const Element* gate,
                                              const Element* up, std::int64_t count,
                                              Element* gate_gradient, Element* up_gradient) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    const Float16 x = load(gate + i, used), upstream = load(dy + i, used);
    const Float16 sigmoid = 1.0f / (exponential(-x) + 1.0f);
    const Float16 slope = sigmoid * (1.0f + x * (1.0f - sigmoid));
    store(gate_gradient + i, upstream * load(up + i, used) * slope, used);
    store(up_gradient + i, upstream * x * sigmoid, used);
  });
}

template <typename Element>
PANAL_ALWAYS_INLINE void relu_squared_body(const Element* x, std::int64_t count, Element* y) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    const Float16 value = load(x + i, used), kept = select(value < 0.0f, Float16{}, value);
    store(y + i, kept * kept, used);
  });
}

template <typename Element>
PANAL_ALWAYS_INLINE void relu_squared_backward_body(const Element* dy, const Element* x,
                                                    std::int64_t count, Element* dx) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    const Float16 value = load(x + i, used), kept = select(value < 0.0f, Float16{}, value);
    store(dx + i, 2.0f * kept * load(dy + i, used), used);
  });
}

// gelu(x) = x / (1 + exp(-2 z)) with z = sqrt(2 / pi) (x + 0.044715 x^3): the tanh of the paper,
// written with one exponential.
constexpr float kTwiceRoot = 1.5957691216057308f;  // 2 sqrt(2 / pi)
constexpr float kCubic = 0.044715f;

template <typename Element>
PANAL_ALWAYS_INLINE void gelu_body(const Element* x, std::int64_t count, Element* y) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    const Float16 value = load(x + i, used);
    const Float16 twice_z = value * (value * value * kCubic + 1.0f) * kTwiceRoot;
    store(y + i, value / (exponential(-twice_z) + 1.0f), used);
  });
}

template <typename Element>
PANAL_ALWAYS_INLINE void gelu_backward_body(const Element* dy, const Element* x, std::int64_t count,
                                            Element* dx) {
  for_each_vector(count, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
    const Float16 value = load(x + i, used), square = value * value;
    const Float16 twice_z = value * (square * kCubic + 1.0f) * kTwiceRoot;
    const Float16 sigmoid = 1.0f / (exponential(-twice_z) + 1.0f);
    const Float16 slope = (square * (3.0f * kCubic) + 1.0f) * kTwiceRoot;
    store(dx + i, load(dy + i, used) * (sigmoid + value * sigmoid * (1.0f - sigmoid) * slope),
          used);
  });
}

template <typename Element>
PANAL_ALWAYS_INLINE void add_columns_body(const Element* x, std::int64_t rows, std::int64_t width,
                                          float* total) {
  for (std::int64_t row = 0; row < rows; ++row, x += width) {
    for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
      store(total + i, load(total + i, used) + load(x + i, used), used);
    });
  }
}
