// Read once for each instruction set (each_level.h).

PANAL_ALWAYS_INLINE float dot(const float* a, const float* b, std::int64_t width) {
  Float16 total{};
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) total += load(a + i) * load(b + i);
  float rest = sum(total);
  for (; i < width; ++i) rest += a[i] * b[i];
  return rest;
}

PANAL_ALWAYS_INLINE void softmax(float* scores, std::int64_t length) {
  float shift = scores[0];
  for (std::int64_t i = 1; i < length; ++i) shift = scores[i] > shift ? scores[i] : shift;
  Float16 parts{};
  std::int64_t i = 0;
  for (; i + kWidth <= length; i += kWidth) {
    const Float16 value = exponential(load(scores + i) - shift);
    store(scores + i, value);
    parts += value;
  }
  float total = sum(parts);
  for (; i < length; ++i) total += scores[i] = std::exp(scores[i] - shift);
  const float scale = 1.0f / total;
  for (i = 0; i < length; ++i) scores[i] *= scale;
}

PANAL_ALWAYS_INLINE void attend_one_body(const float* queries, const float* keys,
                                         const float* values, std::int64_t group,
                                         std::int64_t length, std::int64_t width, float scale,
                                         float* scores, float* out) {
  for (std::int64_t t = 0; t < length; ++t) {
    for (std::int64_t g = 0; g < group; ++g) {
      scores[g * length + t] = scale * dot(queries + g * width, keys + t * width, width);
    }
  }
  for (std::int64_t g = 0; g < group; ++g) softmax(scores + g * length, length);
  std::memset(out, 0, static_cast<std::size_t>(group * width) * sizeof(float));
  for (std::int64_t t = 0; t < length; ++t) {
    const float* value = values + t * width;
    for (std::int64_t g = 0; g < group; ++g) {
      const float share = scores[g * length + t];
      float* to = out + g * width;
      std::int64_t i = 0;
      for (; i + kWidth <= width; i += kWidth)
        store(to + i, load(to + i) + load(value + i) * share);
      for (; i < width; ++i) to[i] += value[i] * share;
    }
  }
}
