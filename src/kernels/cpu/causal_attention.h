// Causal attention of one key-value head over a whole sequence, forward and backward, without ever
// holding all scores: blocks of 64 queries meet blocks of 64 keys, and blocks above the diagonal
// are not computed. Source: Dao et al., "FlashAttention", 2022; Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018. Plain pointers, one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace panal::kernels::cpu {

/// Where one key-value head of one sequence lies. Strides count elements from one token to the
/// next; the `group` query heads that share the key-value head lie `width` apart.
struct AttentionPlan {
  std::int64_t length = 0;  // Tokens T, 1 or more.
  std::int64_t width = 0;   // Of a head, 1 or more.
  std::int64_t group = 1;
  std::int64_t query_stride = 0, key_stride = 0, value_stride = 0, out_stride = 0;
  float scale = 1.0f;  // Of the scores, before softmax.
  /// [T], or null: token t sees keys first_keys[t] to t; 0 <= first_keys[t] <= t.
  const std::int32_t* first_keys = nullptr;
};

/// Bytes of scratch memory that one call needs, for elements of `element_bytes` (4 or 2).
std::size_t attention_scratch_bytes(const AttentionPlan& plan, std::size_t element_bytes);
std::size_t attention_backward_scratch_bytes(const AttentionPlan& plan, std::size_t element_bytes);

/// out = softmax(scale q k^T) v, and log_sum_exp [group, T], the logarithm of each softmax's sum.
/// float, or the bits of bfloat16 with float32 sums and softmax.
void causal_attention(const float* q, const float* k, const float* v, const AttentionPlan& plan,
                      float* out, float* log_sum_exp, std::byte* scratch);
void causal_attention(const std::uint16_t* q, const std::uint16_t* k, const std::uint16_t* v,
                      const AttentionPlan& plan, std::uint16_t* out, float* log_sum_exp,
                      std::byte* scratch);

/// The gradients of q, k and v from that of out. Each lies as what it is the gradient of, and
/// out_gradient as out.
template <typename Element>
struct AttentionTensors {
  const Element *q, *k, *v, *out, *out_gradient;
  const float* log_sum_exp;
  Element *q_gradient, *k_gradient, *v_gradient;
};
void causal_attention_backward(const AttentionTensors<float>& tensors, const AttentionPlan& plan,
                               std::byte* scratch);
void causal_attention_backward(const AttentionTensors<std::uint16_t>& tensors,
                               const AttentionPlan& plan, std::byte* scratch);

}  // namespace panal::kernels::cpu
