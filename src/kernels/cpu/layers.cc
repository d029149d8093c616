#include "kernels/cpu/layers.h"

#include <cmath>

#define PANAL_KERNEL_BODIES "kernels/cpu/layers_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

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
PANAL_CPU_KERNEL(rotate,
                 (const std::uint16_t* in, std::int64_t in_stride, std::uint16_t* out,
                  std::int64_t out_stride, const std::int64_t* positions, std::int64_t rows,
                  std::int64_t heads, std::int64_t head_width, const float* cosine,
                  const float* sine, float sign),
                 (in, in_stride, out, out_stride, positions, rows, heads, head_width, cosine, sine,
                  sign))
PANAL_CPU_KERNEL(swiglu, (const float* gate, const float* up, std::int64_t count, float* y),
                 (gate, up, count, y))
PANAL_CPU_KERNEL(swiglu,
                 (const std::uint16_t* gate, const std::uint16_t* up, std::int64_t count,
                  std::uint16_t* y),
                 (gate, up, count, y))
PANAL_CPU_KERNEL(swiglu_backward,
                 (const float* dy, const float* gate, const float* up, std::int64_t count,
                  float* gate_gradient, float* up_gradient),
                 (dy, gate, up, count, gate_gradient, up_gradient))
PANAL_CPU_KERNEL(swiglu_backward,
                 (const std::uint16_t* dy, const std::uint16_t* gate, const std::uint16_t* up,
                  std::int64_t count, std::uint16_t* gate_gradient, std::uint16_t* up_gradient),
                 (dy, gate, up, count, gate_gradient, up_gradient))
PANAL_CPU_KERNEL(relu_squared, (const float* x, std::int64_t count, float* y), (x, count, y))
PANAL_CPU_KERNEL(relu_squared, (const std::uint16_t* x, std::int64_t count, std::uint16_t* y),
                 (x, count, y))
PANAL_CPU_KERNEL(relu_squared_backward,
                 (const float* dy, const float* x, std::int64_t count, float* dx),
                 (dy, x, count, dx))
PANAL_CPU_KERNEL(relu_squared_backward,
                 (const std::uint16_t* dy, const std::uint16_t* x, std::int64_t count,
                  std::uint16_t* dx),
                 (dy, x, count, dx))
PANAL_CPU_KERNEL(gelu, (const float* x, std::int64_t count, float* y), (x, count, y))
PANAL_CPU_KERNEL(gelu, (const std::uint16_t* x, std::int64_t count, std::uint16_t* y),
                 (x, count, y))
PANAL_CPU_KERNEL(gelu_backward, (const float* dy, const float* x, std::int64_t count, float* dx),
                 (dy, x, count, dx))
PANAL_CPU_KERNEL(gelu_backward,
                 (const std::uint16_t* dy, const std::uint16_t* x, std::int64_t count,
                  std::uint16_t* dx),
                 (dy, x, count, dx))
PANAL_CPU_KERNEL(add_columns, (const float* x, std::int64_t rows, std::int64_t width, float* total),
                 (x, rows, width, total))
PANAL_CPU_KERNEL(add_columns,
                 (const std::uint16_t* x, std::int64_t rows, std::int64_t width, float* total),
                 (x, rows, width, total))

}  // namespace panal::kernels::cpu
