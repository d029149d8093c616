#include "tensor/kernels/cpu/layers.h"

#include <cmath>

#include "tensor/kernels/cpu/vector.h"

namespace panal::tensor::cpu {
namespace {

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

PANAL_ALWAYS_INLINE void rotate_body(const float* in, std::int64_t in_stride, float* out,
                                     std::int64_t out_stride, const std::int64_t* positions,
                                     std::int64_t rows, std::int64_t heads, std::int64_t head_width,
                                     const float* cosine, const float* sine, float sign) {
  const std::int64_t half = head_width / 2;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* c = cosine + positions[row] * half;
    const float* s = sine + positions[row] * half;
    for (std::int64_t head = 0; head < heads; ++head) {
      const float* from = in + row * in_stride + head * head_width;
      float* to = out + row * out_stride + head * head_width;
      std::int64_t i = 0;
      for (; i + kWidth <= half; i += kWidth) {
        const Float16 a = load(from + i), b = load(from + half + i);
        const Float16 turn = load(s + i) * sign;
        store(to + i, a * load(c + i) - b * turn);
        store(to + half + i, b * load(c + i) + a * turn);
      }
      for (; i < half; ++i) {
        const float a = from[i], b = from[half + i];
        to[i] = a * c[i] - b * s[i] * sign;
        to[half + i] = b * c[i] + a * s[i] * sign;
      }
    }
  }
}

PANAL_ALWAYS_INLINE void swiglu_body(const float* gate, const float* up, std::int64_t count,
                                     float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(y + i, silu(load(gate + i)) * load(up + i));
  for (; i < count; ++i) y[i] = gate[i] / (scalar_exponential(-gate[i]) + 1.0f) * up[i];
}

PANAL_ALWAYS_INLINE void swiglu_backward_body(const float* dy, const float* gate, const float* up,
                                              std::int64_t count, float* gate_gradient,
                                              float* up_gradient) {
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const Float16 x = load(gate + i), upstream = load(dy + i);
    const Float16 sigmoid = 1.0f / (exponential(-x) + 1.0f);
    store(up_gradient + i, upstream * x * sigmoid);
    store(gate_gradient + i, upstream * load(up + i) * (sigmoid * (1.0f + x * (1.0f - sigmoid))));
  }
  for (; i < count; ++i) {
    const float x = gate[i], sigmoid = 1.0f / (scalar_exponential(-x) + 1.0f);
    up_gradient[i] = dy[i] * x * sigmoid;
    gate_gradient[i] = dy[i] * up[i] * (sigmoid * (1.0f + x * (1.0f - sigmoid)));
  }
}

PANAL_ALWAYS_INLINE void relu_squared_body(const float* x, std::int64_t count, float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const Float16 value = load(x + i), kept = value < 0.0f ? Float16{} : value;
    store(y + i, kept * kept);
  }
  for (; i < count; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i] * x[i];
}

PANAL_ALWAYS_INLINE void relu_squared_backward_body(const float* dy, const float* x,
                                                    std::int64_t count, float* dx) {
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const Float16 value = load(x + i), kept = value < 0.0f ? Float16{} : value;
    store(dx + i, 2.0f * kept * load(dy + i));
  }
  for (; i < count; ++i) dx[i] = x[i] < 0.0f ? 0.0f : 2.0f * x[i] * dy[i];
}

}  // namespace

PANAL_CPU_KERNEL(rms_norm,
                 (const float* x, const float* weight, float epsilon, std::int64_t rows,
                  std::int64_t width, float* y, float* inverse_rms),
                 (x, weight, epsilon, rows, width, y, inverse_rms))
PANAL_CPU_KERNEL(rms_norm_backward,
                 (const float* dy, const float* x, const float* weight, const float* inverse_rms,
                  std::int64_t rows, std::int64_t width, float* dx, float* weight_gradient),
                 (dy, x, weight, inverse_rms, rows, width, dx, weight_gradient))
PANAL_CPU_KERNEL(rotate,
                 (const float* in, std::int64_t in_stride, float* out, std::int64_t out_stride,
                  const std::int64_t* positions, std::int64_t rows, std::int64_t heads,
                  std::int64_t head_width, const float* cosine, const float* sine, float sign),
                 (in, in_stride, out, out_stride, positions, rows, heads, head_width, cosine, sine,
                  sign))
PANAL_CPU_KERNEL(swiglu, (const float* gate, const float* up, std::int64_t count, float* y),
                 (gate, up, count, y))
PANAL_CPU_KERNEL(relu_squared, (const float* x, std::int64_t count, float* y), (x, count, y))
PANAL_CPU_KERNEL(relu_squared_backward,
                 (const float* dy, const float* x, std::int64_t count, float* dx),
                 (dy, x, count, dx))
PANAL_CPU_KERNEL(swiglu_backward,
                 (const float* dy, const float* gate, const float* up, std::int64_t count,
                  float* gate_gradient, float* up_gradient),
                 (dy, gate, up, count, gate_gradient, up_gradient))

}  // namespace panal::tensor::cpu
