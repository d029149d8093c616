#include "tensor/kernels/cpu/cross_entropy.h"

#include <cmath>

#include "tensor/kernels/cpu/vector.h"

namespace panal::tensor::cpu {
namespace {

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

// The sum of exp(x - shift), gathered in double so that long rows keep their digits.
template <typename Stored>
PANAL_ALWAYS_INLINE double sum_of_exponentials(const Stored* x, std::int64_t width, float shift) {
  double total = 0;
  std::int64_t i = 0;
  while (i + kWidth <= width) {
    Float16 part{};
    for (int block = 0; block < 64 && i + kWidth <= width; ++block, i += kWidth)
      part += exponential(load(x + i) - shift);
    total += sum(part);
  }
  for (; i < width; ++i) total += scalar_exponential(value_of(x[i]) - shift);
  return total;
}

template <typename Stored>
PANAL_ALWAYS_INLINE void entropy_rows(Stored* logits, const std::int64_t* targets,
                                      std::int64_t rows, std::int64_t width, float gradient_scale,
                                      float* losses) {
  for (std::int64_t row = 0; row < rows; ++row, logits += width) {
    const std::int64_t target = targets[row];
    losses[row] = 0;
    if (target < 0) {
      if (gradient_scale != 0)
        std::memset(logits, 0, static_cast<std::size_t>(width) * sizeof(Stored));
      continue;
    }
    const float shift = row_maximum(logits, width);
    const float wanted = value_of(logits[target]);
    const double total = sum_of_exponentials(logits, width, shift);
    losses[row] = static_cast<float>(std::log(total) + shift - wanted);
    if (gradient_scale == 0) continue;
    const float scale = static_cast<float>(gradient_scale / total);
    // From the float, before the probability is rounded: near 1 the rounding would eat the rest.
    const float of_target = scalar_exponential(wanted - shift) * scale - gradient_scale;
    std::int64_t i = 0;
    for (; i + kWidth <= width; i += kWidth)
      store(logits + i, exponential(load(logits + i) - shift) * scale);
    for (; i < width; ++i)
      set_value(logits[i], scalar_exponential(value_of(logits[i]) - shift) * scale);
    set_value(logits[target], of_target);
  }
}

PANAL_ALWAYS_INLINE void cross_entropy_of_floats_body(float* logits, const std::int64_t* targets,
                                                      std::int64_t rows, std::int64_t width,
                                                      float gradient_scale, float* losses) {
  entropy_rows(logits, targets, rows, width, gradient_scale, losses);
}
PANAL_ALWAYS_INLINE void cross_entropy_of_bfloat16_body(std::uint16_t* logits,
                                                        const std::int64_t* targets,
                                                        std::int64_t rows, std::int64_t width,
                                                        float gradient_scale, float* losses) {
  entropy_rows(logits, targets, rows, width, gradient_scale, losses);
}
PANAL_CPU_KERNEL(cross_entropy_of_floats,
                 (float* logits, const std::int64_t* targets, std::int64_t rows, std::int64_t width,
                  float gradient_scale, float* losses),
                 (logits, targets, rows, width, gradient_scale, losses))
PANAL_CPU_KERNEL(cross_entropy_of_bfloat16,
                 (std::uint16_t * logits, const std::int64_t* targets, std::int64_t rows,
                  std::int64_t width, float gradient_scale, float* losses),
                 (logits, targets, rows, width, gradient_scale, losses))

}  // namespace

void cross_entropy(float* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses) {
  cross_entropy_of_floats(logits, targets, rows, width, gradient_scale, losses);
}

void cross_entropy(std::uint16_t* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses) {
  cross_entropy_of_bfloat16(logits, targets, rows, width, gradient_scale, losses);
}

}  // namespace panal::tensor::cpu
