#include "tensor/device/layers.h"

#include <torch/types.h>

#include <algorithm>

#include "kernels/cuda/all.h"
#include "tensor/device/launch.h"

namespace panal::tensor::on_device {
namespace {

// Blocks that sum gradients of norm weights over their rows: two for each multiprocessor of the
// largest devices there are.
constexpr std::int64_t kMostParts = 264;

at::Tensor sum_of_rows(const at::Tensor& parts) {
  const at::Tensor total = at::empty({parts.size(1)}, parts.options());
  launch(parts, kernels::cuda::SumRows{.parts = elements<float>(parts),
                                       .rows = parts.size(0),
                                       .width = parts.size(1),
                                       .total = elements<float>(total)});
  return total;
}

template <typename Value>
kernels::cuda::QkNormRotate<Value> rotation_of(const at::Tensor& x, const HeadRotation& rotation,
                                               const at::Tensor& inverses) {
  const std::int64_t stride = x.size(2) * x.size(3);
  return {.x = elements<Value>(x),
          .x_stride = stride,
          .weight = elements<float>(rotation.weight),
          .cosine = elements<float>(rotation.cosine),
          .sine = elements<float>(rotation.sine),
          .period = x.size(1),
          .epsilon = static_cast<float>(rotation.epsilon),
          .rows = x.size(0) * x.size(1),
          .heads = x.size(2),
          .head_width = x.size(3),
          .y_stride = stride,
          .inverse = elements<float>(inverses)};
}

// Calls body(Value{}, Kind as a constant).
template <typename Body>
void with_kind(kernels::cuda::Kind kind, const at::Tensor& x, const Body& body) {
  with_value(x, [&](auto value) {
    switch (kind) {
      case kernels::cuda::Kind::kSwiGlu:
        return body(value,
                    std::integral_constant<kernels::cuda::Kind, kernels::cuda::Kind::kSwiGlu>{});
      case kernels::cuda::Kind::kGelu:
        return body(value,
                    std::integral_constant<kernels::cuda::Kind, kernels::cuda::Kind::kGelu>{});
      case kernels::cuda::Kind::kReluSquared:
        return body(
            value,
            std::integral_constant<kernels::cuda::Kind, kernels::cuda::Kind::kReluSquared>{});
    }
  });
}

}  // namespace

void add_norm(const at::Tensor& x, const at::Tensor& delta, const NormInput& norm,
              const at::Tensor& sum, const at::Tensor& y, const at::Tensor& means,
              const at::Tensor& inverses) {
  with_value(y, [&](auto value) {
    using Value = decltype(value);
    launch(x, kernels::cuda::ResidualNorm<Value>{.x = elements<float>(x),
                                                 .branch = elements<Value>(delta),
                                                 .weight = elements<float>(norm.weight),
                                                 .bias = elements<float>(norm.bias),
                                                 .epsilon = static_cast<float>(norm.epsilon),
                                                 .is_centred = norm.bias.defined(),
                                                 .rows = x.size(0),
                                                 .width = x.size(1),
                                                 .sum = elements<float>(sum),
                                                 .y = elements<Value>(y),
                                                 .mean = elements<float>(means),
                                                 .inverse = elements<float>(inverses)});
  });
}

NormGradients add_norm_backward(const at::Tensor& sum, const NormInput& norm,
                                const at::Tensor& means, const at::Tensor& inverses,
                                const at::Tensor& y_gradient, const at::Tensor& sum_gradient,
                                const at::Tensor& x_gradient, const at::Tensor& delta_gradient) {
  const std::int64_t rows = sum.size(0), width = sum.size(1);
  const at::Tensor weight_parts = at::empty({std::min(rows, kMostParts), width}, sum.options());
  const at::Tensor bias_parts = norm.bias.defined() ? at::empty_like(weight_parts) : at::Tensor();
  with_value(y_gradient, [&](auto value) {
    using Value = decltype(value);
    launch(sum,
           kernels::cuda::ResidualNormBackward<Value>{.dy = elements<Value>(y_gradient),
                                                      .d_sum = elements<float>(sum_gradient),
                                                      .sum = elements<float>(sum),
                                                      .weight = elements<float>(norm.weight),
                                                      .mean = elements<float>(means),
                                                      .inverse = elements<float>(inverses),
                                                      .is_centred = norm.bias.defined(),
                                                      .rows = rows,
                                                      .width = width,
                                                      .parts = weight_parts.size(0),
                                                      .dx = elements<float>(x_gradient),
                                                      .d_branch = elements<Value>(delta_gradient),
                                                      .weight_parts = elements<float>(weight_parts),
                                                      .bias_parts = elements<float>(bias_parts)});
  });
  return {.weight = sum_of_rows(weight_parts),
          .bias = bias_parts.defined() ? sum_of_rows(bias_parts) : at::Tensor()};
}

void activation(kernels::cuda::Kind kind, const at::Tensor& gate, const at::Tensor& up,
                const at::Tensor& y) {
  with_kind(kind, gate, [&](auto value, auto constant) {
    using Value = decltype(value);
    launch(gate, kernels::cuda::Activation<Value, constant()>{
                     elements<Value>(gate), elements<Value>(up), gate.numel(), elements<Value>(y)});
  });
}

void activation_backward(kernels::cuda::Kind kind, const at::Tensor& dy, const at::Tensor& gate,
                         const at::Tensor& up, const at::Tensor& d_gate, const at::Tensor& d_up) {
  with_kind(kind, gate, [&](auto value, auto constant) {
    using Value = decltype(value);
    launch(gate, kernels::cuda::ActivationBackward<Value, constant()>{
                     elements<Value>(dy), elements<Value>(gate), elements<Value>(up), gate.numel(),
                     elements<Value>(d_gate), elements<Value>(d_up)});
  });
}

void rotate_heads(const at::Tensor& x, const HeadRotation& rotation, const at::Tensor& y,
                  const at::Tensor& inverses) {
  with_value(x, [&](auto value) {
    using Value = decltype(value);
    kernels::cuda::QkNormRotate<Value> operation = rotation_of<Value>(x, rotation, inverses);
    operation.y = elements<Value>(y);
    launch(x, operation);
  });
}

at::Tensor rotate_heads_backward(const at::Tensor& dy, const at::Tensor& x,
                                 const HeadRotation& rotation, const at::Tensor& inverses,
                                 const at::Tensor& dx) {
  const std::int64_t parts = std::min(dy.size(0) * dy.size(1), kMostParts);
  const at::Tensor weight_parts = rotation.weight.defined()
                                      ? at::empty({parts, dy.size(3)}, rotation.weight.options())
                                      : at::Tensor();
  with_value(dy, [&](auto value) {
    using Value = decltype(value);
    // Without a weight only the shape of x counts, which is that of dy.
    launch(dy, kernels::cuda::QkNormRotateBackward<Value>{
                   .forward = rotation_of<Value>(x.defined() ? x : dy, rotation, inverses),
                   .dy = elements<Value>(dy),
                   .dx = elements<Value>(dx),
                   .parts = parts,
                   .weight_parts = elements<float>(weight_parts)});
  });
  return weight_parts.defined() ? sum_of_rows(weight_parts) : at::Tensor();
}

void cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scale,
                   double soft_cap, const at::Tensor& losses) {
  with_value(logits, [&](auto value) {
    using Value = decltype(value);
    launch(logits, kernels::cuda::CrossEntropy<Value>{
                       elements<Value>(logits), elements<std::int64_t>(targets), logits.size(0),
                       logits.size(1), elements<float>(scale), static_cast<float>(soft_cap),
                       elements<float>(losses)});
  });
}

}  // namespace panal::tensor::on_device
