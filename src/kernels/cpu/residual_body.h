// Read once for each instruction set (each_level.h).

// The mean of (x - shift)^2 over a row; lanes past its end must not count the shift.
PANAL_ALWAYS_INLINE float mean_square(const float* x, std::int64_t width, float shift) {
  Float16 parts{};
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    const Float16 value = load(x + i) - shift;
    parts += value * value;
  }
  float total = sum(parts);
  for (; i < width; ++i) total += (x[i] - shift) * (x[i] - shift);
  return total / static_cast<float>(width);
}

template <typename Element>
PANAL_ALWAYS_INLINE void add_norm_body(const NormPlan& plan, const float* x, const Element* delta,
                                       float* sums, Element* y, float* means, float* inverses) {
  const std::int64_t width = plan.width;
  for (std::int64_t row = 0; row < plan.rows; ++row, x += width, y += width) {
    const float* normed = x;
    Float16 parts{};
    if (delta != nullptr) {
      for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
        const Float16 value = load(x + i, used) + load(delta + i, used);
        store(sums + i, value, used);
        parts += value;
      });
      normed = sums;
      delta += width;
      sums += width;
    } else if (plan.is_centered) {
      for_each_vector(width, [&](std::int64_t i, auto used)
                                 PANAL_ALWAYS_INLINE_LAMBDA { parts += load(x + i, used); });
    }
    const float mean = plan.is_centered ? sum(parts) / static_cast<float>(width) : 0.0f;
    const float inverse = 1.0f / std::sqrt(mean_square(normed, width, mean) + plan.epsilon);
    if (plan.is_centered) means[row] = mean;
    inverses[row] = inverse;
    for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
      Float16 value = (load(normed + i, used) - mean) * inverse * load(plan.weight + i, used);
      if (plan.bias != nullptr) value += load(plan.bias + i, used);
      store(y + i, value, used);
    });
  }
}

// With n = (sum - mean) * inverse and g = y_gradient * weight, both norms give
// inverse * (g - n mean(g n)), centered ones less mean(g) inside.
template <typename Element>
PANAL_ALWAYS_INLINE void add_norm_backward_body(const NormPlan& plan,
                                                const NormGradients<Element>& gradients) {
  const std::int64_t width = plan.width;
  const auto share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    const float* x = gradients.sum + row * width;
    const Element* dy = gradients.y_gradient + row * width;
    float* dx = gradients.x_gradient + row * width;
    const float mean = plan.is_centered ? gradients.means[row] : 0.0f;
    const float inverse = gradients.inverses[row];
    Float16 slopes{}, products{};
    for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
      const Float16 upstream = load(dy + i, used);
      const Float16 normed = (load(x + i, used) - mean) * inverse;
      const Float16 slope = upstream * load(plan.weight + i, used);
      slopes += slope;
      products += slope * normed;
      if (gradients.weight_gradient != nullptr) {
        float* to = gradients.weight_gradient + i;
        store(to, load(to, used) + upstream * normed, used);
      }
      if (gradients.bias_gradient != nullptr) {
        float* to = gradients.bias_gradient + i;
        store(to, load(to, used) + upstream, used);
      }
    });
    const float center = plan.is_centered ? sum(slopes) * share : 0.0f;
    const float projection = sum(products) * share;
    for_each_vector(width, [&](std::int64_t i, auto used) PANAL_ALWAYS_INLINE_LAMBDA {
      const Float16 normed = (load(x + i, used) - mean) * inverse;
      const Float16 slope = load(dy + i, used) * load(plan.weight + i, used);
      Float16 value = (slope - center - normed * projection) * inverse;
      if (gradients.sum_gradient != nullptr)
        value += load(gradients.sum_gradient + row * width + i, used);
      store(dx + i, value, used);
      if (gradients.delta_gradient != nullptr)
        store(gradients.delta_gradient + row * width + i, value, used);
    });
  }
}
