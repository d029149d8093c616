#include "tensor/attention.h"

#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/causal_attention.h"
#include "tensor/device/attention.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <typename Element>
Element* elements(const at::Tensor& tensor) {
  return reinterpret_cast<Element*>(tensor.mutable_data_ptr());
}

kernels::cpu::AttentionPlan plan_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return {.length = q.size(1),
          .width = q.size(3),
          .group = q.size(2) / k.size(2),
          .query_stride = q.stride(1),
          .key_stride = k.stride(1),
          .value_stride = v.stride(1),
          .out_stride = q.size(2) * q.size(3),
          .scale = 1.0f / std::sqrt(static_cast<float>(q.size(3)))};
}

// Where a key-value head's part begins, with the query heads that share it: elements from the
// beginning of each tensor or of its gradient.
struct HeadPlace {
  std::int64_t q, k, v, out, log_sum_exp;
};

// Calls body(place of the head, plan with its row's first keys, scratch) for each key-value head of
// each row of the batch, spread over the compute threads.
template <typename Body>
void for_each_head(const kernels::cpu::AttentionPlan& plan, const at::Tensor& q,
                   const at::Tensor& k, const at::Tensor& v, const at::Tensor& first_keys,
                   std::size_t scratch_bytes, const Body& body) {
  const std::int64_t T = plan.length, D = plan.width, group = plan.group;
  const std::int64_t batch = q.size(0), heads = q.size(2), key_value_heads = k.size(2);
  const std::int64_t each = static_cast<std::int64_t>(scratch_bytes);
  const at::Tensor scratch = at::empty({kernels::compute_pool().num_threads(), each}, at::kByte);
  auto* const memory = reinterpret_cast<std::byte*>(scratch.data_ptr<std::uint8_t>());
  kernels::compute_pool().run(batch * key_value_heads, [&](std::int64_t unit, int worker) {
    const std::int64_t row = unit / key_value_heads, head = unit % key_value_heads;
    kernels::cpu::AttentionPlan of_row = plan;
    if (first_keys.defined())
      of_row.first_keys = first_keys.const_data_ptr<std::int32_t>() + row * plan.length;
    const HeadPlace place{.q = row * q.stride(0) + head * group * D,
                          .k = row * k.stride(0) + head * D,
                          .v = row * v.stride(0) + head * D,
                          .out = row * T * plan.out_stride + head * group * D,
                          .log_sum_exp = (row * heads + head * group) * T};
    body(place, of_row, memory + worker * each);
  });
}

template <typename Element>
void attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
            const at::Tensor& first_keys, const at::Tensor& out, const at::Tensor& log_sum_exp) {
  const kernels::cpu::AttentionPlan plan = plan_of(q, k, v);
  for_each_head(
      plan, q, k, v, first_keys, kernels::cpu::attention_scratch_bytes(plan, sizeof(Element)),
      [&](const HeadPlace& place, const kernels::cpu::AttentionPlan& of_row, std::byte* scratch) {
        kernels::cpu::causal_attention(
            elements<Element>(q) + place.q, elements<Element>(k) + place.k,
            elements<Element>(v) + place.v, of_row, elements<Element>(out) + place.out,
            log_sum_exp.data_ptr<float>() + place.log_sum_exp, scratch);
      });
}

struct Gradients {
  at::Tensor q, k, v;
};

template <typename Element>
void attend_backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& first_keys, const at::Tensor& out,
                     const at::Tensor& log_sum_exp, const at::Tensor& out_gradient,
                     const Gradients& to) {
  const kernels::cpu::AttentionPlan plan = plan_of(q, k, v);
  for_each_head(
      plan, q, k, v, first_keys,
      kernels::cpu::attention_backward_scratch_bytes(plan, sizeof(Element)),
      [&](const HeadPlace& place, const kernels::cpu::AttentionPlan& of_row, std::byte* scratch) {
        kernels::cpu::causal_attention_backward(
            kernels::cpu::AttentionTensors<Element>{
                .q = elements<Element>(q) + place.q,
                .k = elements<Element>(k) + place.k,
                .v = elements<Element>(v) + place.v,
                .out = elements<Element>(out) + place.out,
                .out_gradient = elements<Element>(out_gradient) + place.out,
                .log_sum_exp = log_sum_exp.const_data_ptr<float>() + place.log_sum_exp,
                .q_gradient = elements<Element>(to.q) + place.q,
                .k_gradient = elements<Element>(to.k) + place.k,
                .v_gradient = elements<Element>(to.v) + place.v},
            of_row, scratch);
      });
}

Attended forward_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& first_keys) {
  const std::int64_t B = q.size(0), T = q.size(1), H = q.size(2), D = q.size(3);
  Attended result{.values = at::empty({B, T, H * D}, q.options().requires_grad(false)),
                  .log_sum_exp = at::empty({B, H, T}, at::kFloat)};
  const auto run = q.scalar_type() == at::kFloat ? attend<float> : attend<std::uint16_t>;
  run(q, k, v, first_keys, result.values, result.log_sum_exp);
  return result;
}

void backward_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                 const at::Tensor& first_keys, const at::Tensor& out, const at::Tensor& log_sum_exp,
                 const at::Tensor& out_gradient, const Gradients& to) {
  const auto run =
      q.scalar_type() == at::kFloat ? attend_backward<float> : attend_backward<std::uint16_t>;
  run(q, k, v, first_keys, out, log_sum_exp, out_gradient, to);
}

// Attention on a CUDA device, whose library keeps tensors of its own for the way back.
Attended forward_on_device(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& v, const at::Tensor& first_keys) {
  on_device::LibraryAttention made = on_device::attend(q, k, v, first_keys);
  context->saved_data["kept"] = made.kept;
  return {.values = made.values.reshape({q.size(0), q.size(1), q.size(2) * q.size(3)}),
          .log_sum_exp = made.log_sum_exp};
}
on_device::AttentionGradients backward_on_device(AutogradContext* context, const at::Tensor& q,
                                                 const at::Tensor& k, const at::Tensor& v,
                                                 const at::Tensor& first_keys,
                                                 const at::Tensor& values,
                                                 const at::Tensor& gradient) {
  const std::vector<at::Tensor> kept = context->saved_data["kept"].toTensorVector();
  return on_device::attend_backward(gradient.view(q.sizes()), q, k, v, values.view(q.sizes()), kept,
                                    first_keys.defined());
}

class AttendApart : public torch::autograd::Function<AttendApart> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const std::optional<at::Tensor>& first_keys) {
    const at::Tensor keys = first_keys.value_or(at::Tensor());
    const Attended result =
        q.is_cuda() ? forward_on_device(context, q, k, v, keys) : forward_of(q, k, v, keys);
    context->save_for_backward({q, k, v, keys, result.values, result.log_sum_exp});
    context->mark_non_differentiable({result.log_sum_exp});
    return {result.values, result.log_sum_exp};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    if (saved[0].is_cuda()) {
      const auto made = backward_on_device(context, saved[0], saved[1], saved[2], saved[3],
                                           saved[4], gradients[0].contiguous());
      return {made.q, made.k, made.v, at::Tensor()};
    }
    const Gradients to{at::empty_like(saved[0]), at::empty_like(saved[1]),
                       at::empty_like(saved[2])};
    backward_of(saved[0], saved[1], saved[2], saved[3], saved[4], saved[5],
                gradients[0].contiguous(), to);
    return {to.q, to.k, to.v, at::Tensor()};
  }
};

struct Thirds {
  at::Tensor q, k, v;
};
Thirds thirds_of(const at::Tensor& qkv, std::int64_t heads) {
  const std::int64_t B = qkv.size(0), T = qkv.size(1), width = qkv.size(2) / 3;
  const auto part = [&](std::int64_t index) {
    return qkv.narrow(2, index * width, width).view({B, T, heads, width / heads});
  };
  return {part(0), part(1), part(2)};
}

class AttendPacked : public torch::autograd::Function<AttendPacked> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& qkv, std::int64_t heads,
                               const std::optional<at::Tensor>& first_keys) {
    const at::Tensor keys = first_keys.value_or(at::Tensor());
    const Thirds parts = thirds_of(qkv, heads);
    const Attended result = qkv.is_cuda()
                                ? forward_on_device(context, parts.q, parts.k, parts.v, keys)
                                : forward_of(parts.q, parts.k, parts.v, keys);
    context->save_for_backward({qkv, keys, result.values, result.log_sum_exp});
    context->saved_data["heads"] = heads;
    context->mark_non_differentiable({result.log_sum_exp});
    return {result.values, result.log_sum_exp};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor gradient = at::empty_like(saved[0]);
    const Thirds parts = thirds_of(saved[0], heads), to = thirds_of(gradient, heads);
    if (saved[0].is_cuda()) {
      const auto made = backward_on_device(context, parts.q, parts.k, parts.v, saved[1], saved[2],
                                           gradients[0].contiguous());
      to.q.copy_(made.q);
      to.k.copy_(made.k);
      to.v.copy_(made.v);
      return {gradient, at::Tensor(), at::Tensor()};
    }
    backward_of(parts.q, parts.k, parts.v, saved[1], saved[2], saved[3], gradients[0].contiguous(),
                {to.q, to.k, to.v});
    return {gradient, at::Tensor(), at::Tensor()};
  }
};

void check_type(const at::Tensor& x) {
  PANAL_REQUIRE(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16,
                "attention: wanted float32 or bfloat16 tensors");
}

void check_first_keys(const at::Tensor& first_keys, std::int64_t batch, std::int64_t length) {
  if (!first_keys.defined()) return;
  PANAL_REQUIRE(first_keys.dim() == 2 && first_keys.size(0) == batch &&
                    first_keys.size(1) == length && first_keys.scalar_type() == at::kInt &&
                    first_keys.is_contiguous(),
                fmt::format("attention: wanted first keys [{}, {}] of int32", batch, length));
  if (first_keys.is_cuda()) return;  // Checked where they came from; reading would make us wait.
  const std::int32_t* key = first_keys.const_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < batch * length; ++i) {
    PANAL_REQUIRE(key[i] >= 0 && key[i] <= i % length,
                  fmt::format("attention: wanted a first key of 0 to {} for token {}, found {}",
                              i % length, i % length, key[i]));
  }
}

// Autograd wants an input that may be missing as an optional.
std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

}  // namespace

Attended causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& first_keys) {
  for (const at::Tensor* x : {&q, &k, &v}) check_type(*x);
  PANAL_REQUIRE(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) &&
                    q.size(1) == k.size(1) && q.size(3) == k.size(3) && q.numel() > 0 &&
                    k.numel() > 0 && q.size(2) % k.size(2) == 0 &&
                    q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type(),
                "attention: wanted q [B, T, heads, width] and k, v [B, T, key_value_heads, width] "
                "of one type, with heads a multiple of key_value_heads");
  check_first_keys(first_keys, q.size(0), q.size(1));
  const variable_list result =
      AttendApart::apply(q.contiguous(), k.contiguous(), v.contiguous(), if_defined(first_keys));
  return {.values = result[0], .log_sum_exp = result[1]};
}

Attended causal_attention(const at::Tensor& qkv, std::int64_t heads, const at::Tensor& first_keys) {
  check_type(qkv);
  PANAL_REQUIRE(
      qkv.dim() == 3 && heads > 0 && qkv.size(2) % (3 * heads) == 0 && qkv.numel() > 0,
      fmt::format("attention: wanted q, k and v of {} heads in [B, T, 3 heads width]", heads));
  check_first_keys(first_keys, qkv.size(0), qkv.size(1));
  const variable_list result = AttendPacked::apply(qkv.contiguous(), heads, if_defined(first_keys));
  return {.values = result[0], .log_sum_exp = result[1]};
}

}  // namespace panal::tensor
