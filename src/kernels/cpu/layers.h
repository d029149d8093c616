// The elementwise halves of a transformer layer, each in one pass over memory. Plain pointers, one
// thread; the callers split rows over threads. Every row of length `width` is contiguous.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

/// y = x / rms(x) * weight per row; inverse_rms[row] is kept for the backward pass.
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
void rms_norm(const float* x, const float* weight, float epsilon, std::int64_t rows,
              std::int64_t width, float* y, float* inverse_rms);
/// dx from dy. weight_gradient [width] gets the sum over the rows added to it, or is null.
void rms_norm_backward(const float* dy, const float* x, const float* weight,
                       const float* inverse_rms, std::int64_t rows, std::int64_t width, float* dx,
                       float* weight_gradient);

// From here on elements are float, or the bits of bfloat16, computed in float32.

/// Rotates the pairs (i, i + head_width / 2) of every head by the row's position; `sign` -1 turns
/// back. in and out may be the same. cosine, sine: [positions, head_width / 2]. head_width is even.
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
void rotate(const float* in, std::int64_t in_stride, float* out, std::int64_t out_stride,
            const std::int64_t* positions, std::int64_t rows, std::int64_t heads,
            std::int64_t head_width, const float* cosine, const float* sine, float sign);
void rotate(const std::uint16_t* in, std::int64_t in_stride, std::uint16_t* out,
            std::int64_t out_stride, const std::int64_t* positions, std::int64_t rows,
            std::int64_t heads, std::int64_t head_width, const float* cosine, const float* sine,
            float sign);

/// y = silu(gate) * up. Source: Shazeer, "GLU Variants Improve Transformer", 2020.
void swiglu(const float* gate, const float* up, std::int64_t count, float* y);
void swiglu(const std::uint16_t* gate, const std::uint16_t* up, std::int64_t count,
            std::uint16_t* y);
void swiglu_backward(const float* dy, const float* gate, const float* up, std::int64_t count,
                     float* gate_gradient, float* up_gradient);
void swiglu_backward(const std::uint16_t* dy, const std::uint16_t* gate, const std::uint16_t* up,
                     std::int64_t count, std::uint16_t* gate_gradient, std::uint16_t* up_gradient);

/// y = max(x, 0)^2; NaN stays NaN. Source: So et al., "Primer", 2021.
void relu_squared(const float* x, std::int64_t count, float* y);
void relu_squared(const std::uint16_t* x, std::int64_t count, std::uint16_t* y);
void relu_squared_backward(const float* dy, const float* x, std::int64_t count, float* dx);
void relu_squared_backward(const std::uint16_t* dy, const std::uint16_t* x, std::int64_t count,
                           std::uint16_t* dx);

/// The tanh form. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
void gelu(const float* x, std::int64_t count, float* y);
void gelu(const std::uint16_t* x, std::int64_t count, std::uint16_t* y);
void gelu_backward(const float* dy, const float* x, std::int64_t count, float* dx);
void gelu_backward(const std::uint16_t* dy, const std::uint16_t* x, std::int64_t count,
                   std::uint16_t* dx);

/// total [width] += the sum of the rows of x [rows, width]: a bias's gradient.
void add_columns(const float* x, std::int64_t rows, std::int64_t width, float* total);
void add_columns(const std::uint16_t* x, std::int64_t rows, std::int64_t width, float* total);

}  // namespace panal::kernels::cpu
