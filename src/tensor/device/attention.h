// Causal attention on a CUDA device by the library's flash attention, which keeps no scores either.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace panal::tensor::on_device {

struct LibraryAttention {
  at::Tensor values;             // [B, T, heads, head_width]
  at::Tensor log_sum_exp;        // [B, heads, T] float32
  std::vector<at::Tensor> kept;  // What backward wants beside q, k, v and the values.
};

/// q [B, T, heads, head_width], k and v [B, T, key_value_heads, head_width], any strides with the
/// last dimension dense; first_keys as causal_attention() has them. bfloat16 goes by flash
/// attention (documents that are kept apart as sequences of their own: the host waits for their
/// lengths), float32 by the memory-efficient kernel (documents by a mask [B, 1, T, T]).
/// Source: Dao, "FlashAttention-2", 2023. Throws Error for a head_width that is no multiple of 8 or
/// over 256.
LibraryAttention attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const at::Tensor& first_keys);

struct AttentionGradients {
  at::Tensor q, k, v;
};
AttentionGradients attend_backward(const at::Tensor& out_gradient, const at::Tensor& q,
                                   const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& values, const std::vector<at::Tensor>& kept,
                                   bool has_first_keys);

}  // namespace panal::tensor::on_device
