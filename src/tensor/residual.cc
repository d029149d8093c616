#include "tensor/residual.h"

#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <optional>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/residual.h"
#include "tensor/device/launch.h"
#include "tensor/device/layers.h"
#include "tensor/row_parts.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

float* floats_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

template <typename Element>
Element* row_of(const at::Tensor& tensor, std::int64_t row) {
  if (!tensor.defined()) return nullptr;
  return reinterpret_cast<Element*>(tensor.mutable_data_ptr()) + row * tensor.size(1);
}

kernels::cpu::NormPlan plan_of(const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                               std::int64_t rows) {
  return {.rows = rows,
          .width = weight.size(0),
          .epsilon = static_cast<float>(epsilon),
          .weight = weight.const_data_ptr<float>(),
          .bias = floats_or_null(bias),
          .is_centered = bias.defined()};
}

template <typename Element>
void run_forward(const at::Tensor& x, const at::Tensor& delta, const kernels::cpu::NormPlan& plan,
                 const at::Tensor& sum, const at::Tensor& y, const at::Tensor& means,
                 const at::Tensor& inverses) {
  kernels::for_rows(x.size(0), plan.width, [&](std::int64_t begin, std::int64_t end) {
    kernels::cpu::NormPlan part = plan;
    part.rows = end - begin;
    kernels::cpu::add_norm(part, row_of<float>(x, begin), row_of<Element>(delta, begin),
                           row_of<float>(sum, begin), row_of<Element>(y, begin),
                           means.defined() ? means.mutable_data_ptr<float>() + begin : nullptr,
                           inverses.mutable_data_ptr<float>() + begin);
  });
}

struct Saved {
  at::Tensor sum, weight, bias, means, inverses;
};
struct Gradients {
  at::Tensor sum, y;                            // Read.
  at::Tensor x, delta, weight_sums, bias_sums;  // Written; the sums by parts.
};

template <typename Element>
void run_backward(const Saved& saved, const kernels::cpu::NormPlan& plan, const RowParts& parts,
                  const Gradients& gradients) {
  parts.for_each([&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    kernels::cpu::NormPlan of_part = plan;
    of_part.rows = end - begin;
    kernels::cpu::add_norm_backward(
        of_part,
        kernels::cpu::NormGradients<Element>{
            .sum = row_of<float>(saved.sum, begin),
            .means = saved.means.defined() ? saved.means.const_data_ptr<float>() + begin : nullptr,
            .inverses = saved.inverses.const_data_ptr<float>() + begin,
            .sum_gradient = row_of<float>(gradients.sum, begin),
            .y_gradient = row_of<Element>(gradients.y, begin),
            .x_gradient = row_of<float>(gradients.x, begin),
            .delta_gradient = row_of<Element>(gradients.delta, begin),
            .weight_gradient = RowParts::zeroed(gradients.weight_sums, part),
            .bias_gradient = RowParts::zeroed(gradients.bias_sums, part)});
  });
}

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  // x, delta [rows, width]. Gives {sum, y}; without delta the sum is x. It is an output all the
  // same, so that both its gradients meet in one pass.
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const std::optional<at::Tensor>& delta, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, double epsilon,
                               bool is_rounded) {
    const std::int64_t rows = x.size(0);
    const at::Tensor added = delta.value_or(at::Tensor()), shift = bias.value_or(at::Tensor());
    const at::Tensor y =
        at::empty(x.sizes(), x.options().dtype(is_rounded ? at::kBFloat16 : at::kFloat));
    const at::Tensor sum = added.defined() ? at::empty_like(x) : at::Tensor();
    const at::Tensor inverses = at::empty({rows}, x.options());
    const at::Tensor means = shift.defined() ? at::empty({rows}, x.options()) : at::Tensor();
    if (on_device::takes(x)) {
      on_device::add_norm(x, added, {weight, shift, epsilon}, sum, y, means, inverses);
    } else {
      const auto run = is_rounded ? run_forward<std::uint16_t> : run_forward<float>;
      run(x, added, plan_of(weight, shift, epsilon, rows), sum, y, means, inverses);
    }
    context->save_for_backward({added.defined() ? sum : x, weight, shift, means, inverses});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["adds"] = added.defined();
    context->set_materialize_grads(false);
    return {added.defined() ? sum : x, y};
  }
  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const variable_list tensors = context->get_saved_variables();
    const Saved saved{tensors[0], tensors[1], tensors[2], tensors[3], tensors[4]};
    const bool adds = context->saved_data["adds"].toBool();
    variable_list result(6);
    const at::Tensor y_gradient = upstream[1];
    if (!y_gradient.defined()) {  // Only the stream itself was used.
      result[0] = upstream[0];
      if (adds) result[1] = upstream[0];
      return result;
    }
    const bool is_rounded = y_gradient.scalar_type() == at::kBFloat16;
    Gradients gradients{.sum = upstream[0].defined() ? upstream[0].contiguous() : at::Tensor(),
                        .y = y_gradient.contiguous(),
                        .x = at::empty_like(saved.sum),
                        .delta = {},
                        .weight_sums = {},
                        .bias_sums = {}};
    if (adds && is_rounded) gradients.delta = at::empty_like(gradients.y);
    const double epsilon = context->saved_data["epsilon"].toDouble();
    result[0] = gradients.x;
    if (adds) result[1] = is_rounded ? gradients.delta : gradients.x;
    if (on_device::takes(saved.sum)) {
      on_device::NormGradients of_norm = on_device::add_norm_backward(
          saved.sum, {saved.weight, saved.bias, epsilon}, saved.means, saved.inverses, gradients.y,
          gradients.sum, gradients.x, gradients.delta);
      result[2] = std::move(of_norm.weight);
      result[3] = std::move(of_norm.bias);
      return result;
    }
    const RowParts parts(saved.sum.size(0), saved.weight.size(0));
    if (context->needs_input_grad(adds ? 2 : 1)) {
      gradients.weight_sums = parts.sums_of(saved.weight.size(0));
      if (saved.bias.defined()) gradients.bias_sums = parts.sums_of(saved.weight.size(0));
    }
    const auto run = is_rounded ? run_backward<std::uint16_t> : run_backward<float>;
    run(saved, plan_of(saved.weight, saved.bias, epsilon, saved.sum.size(0)), parts, gradients);
    if (gradients.weight_sums.defined()) result[2] = gradients.weight_sums.sum(0);
    if (gradients.bias_sums.defined()) result[3] = gradients.bias_sums.sum(0);
    return result;
  }
};

}  // namespace

Normed add_norm(const at::Tensor& x, const at::Tensor& delta, const NormWeights& norm,
                Precision precision) {
  const bool is_rounded = precision == Precision::kBFloat16;
  const auto type = is_rounded ? at::kBFloat16 : at::kFloat;
  PANAL_REQUIRE(
      norm.weight.dim() == 1 && x.size(-1) == norm.weight.size(0) && x.scalar_type() == at::kFloat,
      "norm: the weight's length must be the width of x, a float32 tensor");
  PANAL_REQUIRE(!delta.defined() || (delta.sizes() == x.sizes() && delta.scalar_type() == type),
                fmt::format("norm: what is added must have the shape of x and be {}",
                            precision_name(precision)));
  const auto rows = [](const at::Tensor& tensor) {
    return tensor.reshape({-1, tensor.size(-1)}).contiguous();
  };
  const auto optional = [](const at::Tensor& tensor) {
    return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
  };
  const variable_list made =
      AddNorm::apply(rows(x), delta.defined() ? optional(rows(delta)) : std::nullopt,
                     norm.weight.contiguous(), optional(norm.bias), norm.epsilon, is_rounded);
  return {.sum = made[0].view(x.sizes()), .values = made[1].view(x.sizes())};
}

}  // namespace panal::tensor
