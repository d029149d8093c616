#include "tensor/device/attention.h"

#include <fmt/core.h>
#include <torch/types.h>

#include <array>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/error.h"

namespace panal::tensor::on_device {
namespace {

constexpr double kNoDropout = 0.0;

// Backward kernels add up in an order of chance unless they are told not to, and a resumed run
// shall end with the same bits. Only around those calls: elsewhere torch would refuse products
// whose environment it does not know.
class InFixedOrder {
 public:
  InFixedOrder()
      : was_deterministic_(context_.deterministicAlgorithms()),
        only_warned_(context_.deterministicAlgorithmsWarnOnly()),
        filled_(context_.deterministicFillUninitializedMemory()) {
    context_.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context_.setDeterministicFillUninitializedMemory(false);
  }
  ~InFixedOrder() {
    context_.setDeterministicAlgorithms(was_deterministic_, only_warned_);
    context_.setDeterministicFillUninitializedMemory(filled_);
  }
  InFixedOrder(const InFixedOrder&) = delete;
  InFixedOrder& operator=(const InFixedOrder&) = delete;

 private:
  at::Context& context_ = at::globalContext();
  const bool was_deterministic_, only_warned_, filled_;
};

double scale_of(const at::Tensor& q) { return 1.0 / std::sqrt(static_cast<double>(q.size(3))); }

// [B, T, heads, width] as the library has it, [B, heads, T, width], and back.
at::Tensor transposed(const at::Tensor& x) { return x.transpose(1, 2); }

// Where each document begins among the B T tokens, and the end: [documents + 1] int32.
at::Tensor document_bounds(const at::Tensor& first_keys) {
  const at::Tensor places =
      at::arange(first_keys.size(1), first_keys.options()).expand_as(first_keys);
  const at::Tensor begins = (first_keys == places).reshape({-1}).nonzero().reshape({-1});
  const at::Tensor end = at::full({1}, first_keys.numel(), begins.options());
  return at::cat({begins, end}).to(at::kInt);
}

// 0 where a token sees a key, else minus infinity: [B, heads, T, T] that repeats over the heads.
at::Tensor document_mask(const at::Tensor& first_keys, std::int64_t heads) {
  const std::int64_t B = first_keys.size(0), T = first_keys.size(1);
  const at::Tensor keys = at::arange(T, first_keys.options());
  const at::Tensor sees = keys.view({1, 1, T}).ge(first_keys.unsqueeze(2)) &
                          keys.view({1, 1, T}).le(keys.view({1, T, 1}));
  return at::zeros({B, T, T}, first_keys.options().dtype(at::kFloat))
      .masked_fill_(sees.logical_not(), -std::numeric_limits<float>::infinity())
      .unsqueeze(1)
      .expand({B, heads, T, T});
}

// Key heads as often as query heads, [B, heads, T, width]: the memory-efficient kernel wants them.
at::Tensor repeated(const at::Tensor& x, std::int64_t heads) {
  return transposed(x).repeat_interleave(heads / x.size(2), 1);
}
// The gradient of a repeated head: the sum over its repeats, [B, T, key_value_heads, width].
at::Tensor summed(const at::Tensor& gradient, std::int64_t key_value_heads) {
  const std::int64_t B = gradient.size(0), T = gradient.size(2), D = gradient.size(3);
  return transposed(gradient.view({B, key_value_heads, -1, T, D}).sum(2));
}

at::Tensor tokens_of(const at::Tensor& x) { return x.reshape({-1, x.size(2), x.size(3)}); }

LibraryAttention attend_documents(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const at::Tensor& first_keys) {
  const std::int64_t B = q.size(0), T = q.size(1), H = q.size(2);
  const at::Tensor bounds = document_bounds(first_keys);
  const auto [out, log_sum_exp, state, unused, debug] = at::_flash_attention_forward(
      tokens_of(q), tokens_of(k), tokens_of(v), bounds, bounds, T, T, kNoDropout,
      /*is_causal=*/true, /*return_debug_mask=*/false, scale_of(q));
  return {.values = out.view(q.sizes()),
          .log_sum_exp = log_sum_exp.view({H, B, T}).transpose(0, 1),
          .kept = {log_sum_exp, bounds, state, unused}};
}

LibraryAttention attend_flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto result = at::_scaled_dot_product_flash_attention(
      transposed(q), transposed(k), transposed(v), kNoDropout, /*is_causal=*/true,
      /*return_debug_mask=*/false, scale_of(q));
  return {.values = transposed(std::get<0>(result)),
          .log_sum_exp = std::get<1>(result),
          .kept = {std::get<1>(result), std::get<6>(result), std::get<7>(result)}};
}

LibraryAttention attend_efficient(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const at::Tensor& first_keys) {
  const std::int64_t T = q.size(1), H = q.size(2);
  std::optional<at::Tensor> mask;
  if (first_keys.defined()) mask = document_mask(first_keys, H);
  const auto [out, log_sum_exp, seed, offset] = at::_scaled_dot_product_efficient_attention(
      transposed(q), repeated(k, H), repeated(v, H), mask, /*compute_log_sumexp=*/true, kNoDropout,
      /*is_causal=*/!mask, scale_of(q));
  return {.values = transposed(out),
          .log_sum_exp = log_sum_exp.narrow(2, 0, T),  // The kernel pads the length.
          .kept = {log_sum_exp, seed, offset, mask.value_or(at::Tensor())}};
}

}  // namespace

LibraryAttention attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const at::Tensor& first_keys) {
  PANAL_REQUIRE(q.size(3) % 8 == 0 && q.size(3) <= 256,
                fmt::format("attention on a CUDA device: wanted heads of a multiple of 8 up to 256 "
                            "numbers, found {}",
                            q.size(3)));
  if (q.scalar_type() == at::kFloat) return attend_efficient(q, k, v, first_keys);
  return first_keys.defined() ? attend_documents(q, k, v, first_keys) : attend_flash(q, k, v);
}

AttentionGradients attend_backward(const at::Tensor& out_gradient, const at::Tensor& q,
                                   const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& values, const std::vector<at::Tensor>& kept,
                                   bool has_first_keys) {
  const std::int64_t T = q.size(1), H = q.size(2);
  const InFixedOrder fixed;
  if (q.scalar_type() == at::kFloat) {
    const auto [dq, dk, dv, of_mask] = at::_scaled_dot_product_efficient_attention_backward(
        transposed(out_gradient), transposed(q), repeated(k, H), repeated(v, H), kept[3],
        transposed(values), kept[0], kept[1], kept[2], kNoDropout,
        std::array<bool, 4>{true, true, true, false},
        /*is_causal=*/!has_first_keys, scale_of(q));
    return {transposed(dq), summed(dk, k.size(2)), summed(dv, v.size(2))};
  }
  if (has_first_keys) {
    const auto [dq, dk, dv] = at::_flash_attention_backward(
        tokens_of(out_gradient), tokens_of(q), tokens_of(k), tokens_of(v), tokens_of(values),
        kept[0], kept[1], kept[1], T, T, kNoDropout, /*is_causal=*/true, kept[2], kept[3],
        scale_of(q));
    return {dq.view(q.sizes()), dk.view(k.sizes()), dv.view(v.sizes())};
  }
  const auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_backward(
      transposed(out_gradient), transposed(q), transposed(k), transposed(v), transposed(values),
      kept[0], at::Tensor(), at::Tensor(), T, T, kNoDropout, /*is_causal=*/true, kept[1], kept[2],
      scale_of(q));
  return {transposed(dq), transposed(dk), transposed(dv)};
}

}  // namespace panal::tensor::on_device
