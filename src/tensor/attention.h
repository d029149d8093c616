// Causal self-attention for training, differentiable, by the blockwise kernels of
// kernels/cpu/causal_attention.h: no scores [T, T] are ever kept, and only half of them computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace panal::tensor {

struct Attended {
  at::Tensor values;  // [B, T, heads * head_width], of the inputs' type.
  /// [B, heads, T] float32, without a gradient: the logarithm of the sum of exp(score). The largest
  /// score of a row lies between it minus log(T) and it, which is what QK-clip asks for.
  at::Tensor log_sum_exp;
};

/// q [B, T, heads, head_width], k and v [B, T, key_value_heads, head_width], all float32 or all
/// bfloat16. Scores are divided by sqrt(head_width). first_keys [B, T] int32 or undefined: token t
/// sees keys first_keys[t] to t of its row, so that packed documents do not see each other. Throws
/// Error for shapes that do not fit or a first key outside 0 to t. Cost: 2 B heads T^2 head_width
/// FLOPs forward, 2.5 times that backward; memory beside the results: some tiles and one head's
/// copies per thread.
Attended causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& first_keys);

/// The same from one tensor [B, T, 3 heads head_width] that holds q, k and v of each token side by
/// side, as GPT-2 computes them; its gradient is one tensor too.
Attended causal_attention(const at::Tensor& qkv, std::int64_t heads, const at::Tensor& first_keys);

}  // namespace panal::tensor
