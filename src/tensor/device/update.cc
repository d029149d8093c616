#include "tensor/device/update.h"

#include <torch/types.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/all.h"
#include "tensor/device/launch.h"

namespace panal::tensor::on_device {
namespace {

kernels::cuda::Numbers numbers_of(const at::Tensor& tensor) {
  PANAL_REQUIRE(tensor.is_contiguous() &&
                    (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16),
                "an update wants contiguous float32 or bfloat16 numbers, found others");
  if (tensor.scalar_type() == at::kFloat) return {.floats = elements<float>(tensor)};
  return {.halves = elements<std::uint16_t>(tensor)};
}

kernels::cuda::Parameter parameter_of(const ExactParameter& parameter) {
  const at::Tensor &value = parameter.value, &remainder = parameter.remainder;
  PANAL_REQUIRE(value.is_contiguous(), "a parameter must be contiguous, found strides");
  if (value.scalar_type() == at::kFloat) return {.value = elements<float>(value)};
  PANAL_REQUIRE(value.scalar_type() == at::kBFloat16 && remainder.defined() &&
                    remainder.is_contiguous() && remainder.scalar_type() == at::kShort &&
                    remainder.numel() == value.numel() && remainder.device() == value.device(),
                "a bfloat16 parameter wants an int16 remainder of its shape, found another");
  return {.rounded = elements<std::uint16_t>(value),
          .remainder = elements<std::int16_t>(remainder)};
}

void require_fit(const ExactParameter& parameter, const at::Tensor& tensor, const char* what) {
  PANAL_REQUIRE(
      tensor.numel() == parameter.value.numel() && tensor.device() == parameter.value.device(),
      what);
}

at::Tensor change_for(const ExactParameter& parameter, const at::Tensor& change) {
  require_fit(parameter, change, "a change must have its parameter's size and place");
  return change.contiguous();
}

// Launches the operation over a table of rows, whose first blocks are filled in here.
template <typename Operation, typename Row>
void launch_over(const at::Tensor& x, std::vector<Row> rows, Operation operation = {}) {
  std::int64_t blocks = 0;
  for (Row& row : rows) {
    row.first_block = blocks;
    blocks += kernels::cuda::blocks_of(row.count);
  }
  const at::Tensor table = copied_to(x, rows.data(), rows.size() * sizeof(Row));
  operation.tensors = reinterpret_cast<const Row*>(table.const_data_ptr());
  operation.num_tensors = std::ssize(rows);
  operation.num_blocks = blocks;
  launch(x, operation);
}

kernels::cuda::ChangeTensor change_of(const ExactParameter& parameter, const at::Tensor& change,
                                      const ChangeStep& step) {
  return {.parameter = parameter_of(parameter),
          .change = numbers_of(change),
          .count = change.numel(),
          .keep = static_cast<float>(1.0 - step.decay),
          .length = static_cast<float>(step.length),
          .is_cautious = step.is_cautious};
}

void copy_exact(const ExactParameter& parameter, const at::Tensor& exact, bool writes_parameter) {
  launch_over<kernels::cuda::ExactCopy>(
      exact, std::vector<kernels::cuda::ExactTensor>{{.parameter = parameter_of(parameter),
                                                      .exact = elements<float>(exact),
                                                      .count = exact.numel(),
                                                      .writes_parameter = writes_parameter}});
}

}  // namespace

at::Tensor exact_values(const ExactParameter& parameter) {
  at::Tensor exact =
      at::empty(parameter.value.sizes(), parameter.value.options().dtype(at::kFloat));
  copy_exact(parameter, exact, /*writes_parameter=*/false);
  return exact;
}

void set_exact_values(const ExactParameter& parameter, const at::Tensor& exact) {
  copy_exact(parameter, change_for(parameter, exact), /*writes_parameter=*/true);
}

at::Tensor sums_of_squares(std::span<const at::Tensor> numbers) {
  PANAL_REQUIRE(!numbers.empty(), "sums of squares want at least one tensor, found none");
  std::vector<at::Tensor> kept;
  std::vector<kernels::cuda::SquareTensor> rows;
  std::int64_t blocks = 0;
  for (const at::Tensor& tensor : numbers) {
    kept.push_back(tensor.contiguous());
    rows.push_back(
        {.numbers = numbers_of(kept.back()), .count = tensor.numel(), .first_block = blocks});
    blocks += kernels::cuda::blocks_of(tensor.numel());
  }
  const at::Tensor& x = numbers.front();
  const auto num_tensors = std::ssize(rows);
  const auto floats = x.options().dtype(at::kFloat).requires_grad(false);
  const at::Tensor parts = at::empty({blocks}, floats), totals = at::empty({num_tensors}, floats);
  const at::Tensor table =
      copied_to(x, rows.data(), rows.size() * sizeof(kernels::cuda::SquareTensor));
  const auto* tensors =
      reinterpret_cast<const kernels::cuda::SquareTensor*>(table.const_data_ptr());
  launch(x, kernels::cuda::SquareSum{tensors, num_tensors, blocks, elements<float>(parts)});
  launch(x, kernels::cuda::SquareTotal{tensors, num_tensors, blocks, elements<float>(parts),
                                       elements<float>(totals)});
  return totals;
}

double sum_of_squares(std::span<const at::Tensor> numbers) {
  if (numbers.empty()) return 0;
  const at::Tensor found = sums_of_squares(numbers).to(at::kCPU);
  const auto* total = found.const_data_ptr<float>();
  return std::accumulate(total, total + found.numel(), 0.0);
}

void adamw_steps(std::span<const AdamWUpdate> updates) {
  if (updates.empty()) return;
  std::vector<at::Tensor> kept;  // Until the launch: what the rows point to.
  std::vector<kernels::cuda::AdamWTensor> rows;
  for (const AdamWUpdate& update : updates) {
    for (const at::Tensor& tensor : {update.gradient, update.first_moment, update.second_moment}) {
      require_fit(update.parameter, tensor, "gradient and moments must fit their parameter");
    }
    const AdamWStep& step = update.step;
    const auto t = static_cast<double>(step.step);
    kept.push_back(update.gradient.contiguous());
    rows.push_back(
        {.parameter = parameter_of(update.parameter),
         .gradient = numbers_of(kept.back()),
         .first_moment = numbers_of(update.first_moment),
         .second_moment = elements<float>(update.second_moment),
         .count = update.gradient.numel(),
         .gradient_scale = static_cast<float>(step.gradient_scale),
         .keep = static_cast<float>(1.0 - step.learning_rate * step.weight_decay),
         .beta1 = static_cast<float>(step.beta1),
         .beta2 = static_cast<float>(step.beta2),
         .epsilon = static_cast<float>(step.epsilon),
         .step_size = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
         .second_factor = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t)))});
  }
  launch_over<kernels::cuda::AdamW>(updates.front().gradient, std::move(rows));
}

void momentum_steps(std::span<const MomentumUpdate> updates) {
  if (updates.empty()) return;
  std::vector<at::Tensor> kept;  // Until the launch: what the rows point to.
  std::vector<kernels::cuda::MomentumTensor> rows;
  for (const MomentumUpdate& update : updates) {
    for (const at::Tensor& tensor : {update.gradient, update.direction}) {
      PANAL_REQUIRE(
          tensor.numel() == update.momentum.numel() && tensor.device() == update.momentum.device(),
          "a gradient and a direction must fit their momentum");
    }
    kept.push_back(update.gradient.contiguous());
    rows.push_back({.gradient = numbers_of(kept.back()),
                    .momentum = numbers_of(update.momentum),
                    .direction = numbers_of(update.direction),
                    .count = update.momentum.numel(),
                    .gradient_scale = static_cast<float>(update.gradient_scale),
                    .share = static_cast<float>(1.0 - update.keep),
                    .look_ahead = update.looks_ahead ? static_cast<float>(update.keep) : 1.0f});
  }
  launch_over<kernels::cuda::Momentum>(updates.front().momentum, std::move(rows));
}

void change_steps(std::span<const ChangeUpdate> updates) {
  if (updates.empty()) return;
  std::vector<at::Tensor> kept;  // Until the launch: what the rows point to.
  std::vector<kernels::cuda::ChangeTensor> rows;
  for (const ChangeUpdate& update : updates) {
    kept.push_back(change_for(update.parameter, update.change));
    rows.push_back(change_of(update.parameter, kept.back(), update.step));
  }
  launch_over<kernels::cuda::Change>(kept.front(), std::move(rows));
}

void transport_step(const ExactParameter& parameter, const at::Tensor& change,
                    const at::Tensor& displacement, const ChangeStep& step,
                    double extrapolation_before, double extrapolation_after) {
  require_fit(parameter, displacement, "a displacement must fit its parameter");
  PANAL_REQUIRE(displacement.scalar_type() == at::kBFloat16 && displacement.is_contiguous(),
                "a displacement is contiguous bfloat16, found another kind");
  const at::Tensor changes = change_for(parameter, change);
  launch_over<kernels::cuda::Transport>(
      changes, std::vector<kernels::cuda::TransportTensor>{
                   {.change = change_of(parameter, changes, step),
                    .displacement = elements<std::uint16_t>(displacement),
                    .count = changes.numel(),
                    .extrapolation_before = static_cast<float>(extrapolation_before),
                    .extrapolation_after = static_cast<float>(extrapolation_after)}});
}

void look_ahead_step(const ExactParameter& parameter, const at::Tensor& before,
                     const at::Tensor& average, double keep, double extrapolation_before,
                     double extrapolation_after) {
  require_fit(parameter, average, "an average must fit its parameter");
  const at::Tensor old = change_for(parameter, before);
  launch_over<kernels::cuda::LookAhead>(
      old, std::vector<kernels::cuda::LookAheadTensor>{
               {.parameter = parameter_of(parameter),
                .before = elements<float>(old),
                .average = numbers_of(average),
                .count = old.numel(),
                .share = static_cast<float>(1.0 - keep),
                .extrapolation_before = static_cast<float>(extrapolation_before),
                .extrapolation_after = static_cast<float>(extrapolation_after)}});
}

}  // namespace panal::tensor::on_device
