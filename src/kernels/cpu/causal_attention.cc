#include "kernels/cpu/causal_attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/cpu/dispatch.h"

namespace panal::kernels::cpu {
namespace {

constexpr std::int64_t kBlockRows = 64;
constexpr float kMasked = -1e30f;  // exponential() makes 0 of it beside any real score.

std::int64_t padded(std::int64_t width) { return (width + kWidth - 1) / kWidth * kWidth; }
std::int64_t num_blocks(const AttentionPlan& plan) {
  return (plan.length + kBlockRows - 1) / kBlockRows;
}

}  // namespace
}  // namespace panal::kernels::cpu

#define PANAL_KERNEL_BODIES "kernels/cpu/causal_attention_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {
namespace {

PANAL_CPU_KERNEL(attention_of_floats,
                 (const float* q, const float* k, const float* v, const AttentionPlan& plan,
                  float* out, float* log_sum_exp, std::byte* scratch),
                 (q, k, v, plan, out, log_sum_exp, scratch))
PANAL_CPU_KERNEL(attention_of_pairs,
                 (const std::uint16_t* q, const std::uint16_t* k, const std::uint16_t* v,
                  const AttentionPlan& plan, std::uint16_t* out, float* log_sum_exp,
                  std::byte* scratch),
                 (q, k, v, plan, out, log_sum_exp, scratch))
PANAL_CPU_KERNEL(attention_backward_of_floats,
                 (const AttentionTensors<float>& tensors, const AttentionPlan& plan,
                  std::byte* scratch),
                 (tensors, plan, scratch))
PANAL_CPU_KERNEL(attention_backward_of_pairs,
                 (const AttentionTensors<std::uint16_t>& tensors, const AttentionPlan& plan,
                  std::byte* scratch),
                 (tensors, plan, scratch))

#if defined(__x86_64__)
PANAL_TARGET_AVX512 void attention_with_instruction(const std::uint16_t* q, const std::uint16_t* k,
                                                    const std::uint16_t* v,
                                                    const AttentionPlan& plan, std::uint16_t* out,
                                                    float* log_sum_exp, std::byte* scratch) {
  avx512::attention_body<avx512::PairLanes<true>>(q, k, v, plan, out, log_sum_exp, scratch);
}
PANAL_TARGET_AVX512 void attention_backward_with_instruction(
    const AttentionTensors<std::uint16_t>& tensors, const AttentionPlan& plan, std::byte* scratch) {
  avx512::attention_backward_body<avx512::PairLanes<true>>(tensors, plan, scratch);
}
#endif

// What `count` packed forms of a whole head take, with each piece's rounding to a cache line.
std::size_t packed_bytes(const AttentionPlan& plan, std::size_t element_bytes, std::size_t count) {
  return count * (static_cast<std::size_t>(num_blocks(plan) * kBlockRows * padded(plan.width)) *
                      element_bytes +
                  64);
}

}  // namespace

std::size_t attention_scratch_bytes(const AttentionPlan& plan, std::size_t element_bytes) {
  const auto columns = static_cast<std::size_t>(padded(plan.width));
  const std::size_t tiles = kBlockRows * (2 * columns + 2 * kBlockRows + 2) * sizeof(float);
  return packed_bytes(plan, element_bytes, 4) + tiles + 16 * 64;
}

std::size_t attention_backward_scratch_bytes(const AttentionPlan& plan, std::size_t element_bytes) {
  const std::size_t tiles = 5 * kBlockRows * kBlockRows * sizeof(float);
  return packed_bytes(plan, element_bytes, 9) + packed_bytes(plan, sizeof(float), 3) +
         static_cast<std::size_t>(plan.length) * sizeof(float) + tiles + 16 * 64;
}

void causal_attention(const float* q, const float* k, const float* v, const AttentionPlan& plan,
                      float* out, float* log_sum_exp, std::byte* scratch) {
  attention_of_floats(q, k, v, plan, out, log_sum_exp, scratch);
}

void causal_attention(const std::uint16_t* q, const std::uint16_t* k, const std::uint16_t* v,
                      const AttentionPlan& plan, std::uint16_t* out, float* log_sum_exp,
                      std::byte* scratch) {
#if defined(__x86_64__)
  if (level() == Level::kAvx512BFloat16)
    return attention_with_instruction(q, k, v, plan, out, log_sum_exp, scratch);
#endif
  attention_of_pairs(q, k, v, plan, out, log_sum_exp, scratch);
}

void causal_attention_backward(const AttentionTensors<float>& tensors, const AttentionPlan& plan,
                               std::byte* scratch) {
  attention_backward_of_floats(tensors, plan, scratch);
}

void causal_attention_backward(const AttentionTensors<std::uint16_t>& tensors,
                               const AttentionPlan& plan, std::byte* scratch) {
#if defined(__x86_64__)
  if (level() == Level::kAvx512BFloat16)
    return attention_backward_with_instruction(tensors, plan, scratch);
#endif
  attention_backward_of_pairs(tensors, plan, scratch);
}

}  // namespace panal::kernels::cpu
