#include "tensor/update.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/update.h"
#include "tensor/device/launch.h"
#include "tensor/device/update.h"

namespace panal::tensor {
namespace {

void require(bool holds, const char* what) { PANAL_REQUIRE(holds, what); }

std::uint16_t* halves_of(const at::Tensor& tensor) {
  return static_cast<std::uint16_t*>(tensor.data_ptr());
}

kernels::cpu::NumberSpan numbers_of(const at::Tensor& tensor) {
  require(tensor.is_contiguous() &&
              (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16),
          "an update wants contiguous float32 or bfloat16 numbers, found others");
  if (tensor.scalar_type() == at::kFloat) return {.floats = tensor.data_ptr<float>()};
  return {.halves = halves_of(tensor)};
}

kernels::cpu::ParameterSpan span_of(const ExactParameter& parameter) {
  const at::Tensor& value = parameter.value;
  if (value.scalar_type() == at::kFloat) {
    require(value.is_contiguous(), "a parameter must be contiguous, found strides");
    return {.value = value.data_ptr<float>()};
  }
  require(value.scalar_type() == at::kBFloat16 && value.is_contiguous() &&
              parameter.remainder.defined() && parameter.remainder.is_contiguous() &&
              parameter.remainder.scalar_type() == at::kShort &&
              parameter.remainder.numel() == value.numel(),
          "a bfloat16 parameter wants an int16 remainder of its shape, found another");
  return {.rounded = halves_of(value), .remainder = parameter.remainder.data_ptr<std::int16_t>()};
}

kernels::cpu::ParameterSpan operator+(kernels::cpu::ParameterSpan span, std::int64_t offset) {
  if (span.value != nullptr) return {.value = span.value + offset};
  return {.rounded = span.rounded + offset, .remainder = span.remainder + offset};
}
kernels::cpu::NumberSpan operator+(kernels::cpu::NumberSpan span, std::int64_t offset) {
  if (span.floats != nullptr) return {.floats = span.floats + offset};
  return {.halves = span.halves + offset};
}

template <typename Piece>
void in_pieces(std::int64_t count, const Piece& piece) {
  kernels::for_elements(count,
                        [&](std::int64_t begin, std::int64_t end) { piece(begin, end - begin); });
}

void require_elements(const ExactParameter& parameter, const at::Tensor& tensor, const char* what) {
  require(tensor.numel() == parameter.value.numel(), what);
}

// The change as the kernels read it. The caller keeps the tensor.
at::Tensor as_floats(const ExactParameter& parameter, const at::Tensor& change) {
  require(change.sizes() == parameter.value.sizes() && change.scalar_type() == at::kFloat,
          "a change must be float32 and have its parameter's shape, found another");
  return change.contiguous();
}

kernels::cpu::ChangeUpdate change_of(const ExactParameter& parameter, const at::Tensor& change,
                                     const ChangeStep& step) {
  return {.parameter = span_of(parameter),
          .change = change.data_ptr<float>(),
          .keep = static_cast<float>(1.0 - step.decay),
          .length = static_cast<float>(step.length),
          .is_cautious = step.is_cautious};
}

void advance(kernels::cpu::ChangeUpdate& update, std::int64_t offset) {
  update.parameter = update.parameter + offset;
  update.change += offset;
}

double squares_of(const at::Tensor& numbers) {
  const at::Tensor values = numbers.contiguous();
  const kernels::cpu::NumberSpan span = numbers_of(values);
  const std::int64_t count = values.numel();
  // The pieces are the same for any number of threads, and so is the sum.
  constexpr std::int64_t kPiece = 1 << 11;
  std::vector<double> sums(static_cast<std::size_t>((count + kPiece - 1) / kPiece));
  kernels::for_rows(static_cast<std::int64_t>(sums.size()), kPiece, [&](auto begin, auto end) {
    for (std::int64_t i = begin; i < end; ++i) {
      kernels::cpu::square_sum(span + i * kPiece, std::min(kPiece, count - i * kPiece),
                               &sums[static_cast<std::size_t>(i)]);
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void adamw_step(const AdamWUpdate& update) {
  const auto& [parameter, gradient, first_moment, second_moment, step] = update;
  for (const at::Tensor& tensor : {gradient, first_moment, second_moment}) {
    require_elements(parameter, tensor, "gradient and moments must fit their parameter");
  }
  const auto t = static_cast<double>(step.step);
  const at::Tensor gradients = gradient.contiguous();
  const kernels::cpu::AdamWUpdate whole{
      .parameter = span_of(parameter),
      .gradient = numbers_of(gradients),
      .first_moment = numbers_of(first_moment),
      .second_moment = second_moment.data_ptr<float>(),
      .gradient_scale = static_cast<float>(step.gradient_scale),
      .keep = static_cast<float>(1.0 - step.learning_rate * step.weight_decay),
      .beta1 = static_cast<float>(step.beta1),
      .beta2 = static_cast<float>(step.beta2),
      .step_size = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
      .second_factor = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t))),
      .epsilon = static_cast<float>(step.epsilon)};
  in_pieces(gradients.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::AdamWUpdate piece = whole;
    piece.parameter = whole.parameter + begin;
    piece.gradient = whole.gradient + begin;
    piece.first_moment = whole.first_moment + begin;
    piece.second_moment = whole.second_moment + begin;
    kernels::cpu::adamw_update(piece, count);
  });
}

void momentum_step(const MomentumUpdate& update) {
  require(update.gradient.numel() == update.momentum.numel() &&
              update.direction.numel() == update.momentum.numel(),
          "a gradient and a direction must fit their momentum");
  require(update.direction.scalar_type() == at::kFloat && update.direction.is_contiguous(),
          "a direction is contiguous float32, found another kind");
  const at::Tensor gradients = update.gradient.contiguous();
  const kernels::cpu::MomentumUpdate whole{
      .gradient = numbers_of(gradients),
      .momentum = numbers_of(update.momentum),
      .direction = update.direction.data_ptr<float>(),
      .gradient_scale = static_cast<float>(update.gradient_scale),
      .share = static_cast<float>(1.0 - update.keep),
      .look_ahead = update.looks_ahead ? static_cast<float>(update.keep) : 1.0f};
  in_pieces(gradients.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::MomentumUpdate piece = whole;
    piece.gradient = whole.gradient + begin;
    piece.momentum = whole.momentum + begin;
    piece.direction += begin;
    kernels::cpu::momentum_update(piece, count);
  });
}

void change_step(const ChangeUpdate& update) {
  const at::Tensor changes = as_floats(update.parameter, update.change);
  const kernels::cpu::ChangeUpdate whole = change_of(update.parameter, changes, update.step);
  in_pieces(changes.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::ChangeUpdate piece = whole;
    advance(piece, begin);
    kernels::cpu::change_update(piece, count);
  });
}

}  // namespace

at::Tensor exact_values(const ExactParameter& parameter) {
  if (on_device::takes(parameter.value)) return on_device::exact_values(parameter);
  at::Tensor exact = at::empty(parameter.value.sizes(), at::kFloat);
  const kernels::cpu::ParameterSpan span = span_of(parameter);
  auto* const to = exact.data_ptr<float>();
  in_pieces(exact.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::join_exact({.parameter = span + begin, .exact = to + begin}, count);
  });
  return exact;
}

void set_exact_values(const ExactParameter& parameter, const at::Tensor& exact) {
  if (on_device::takes(parameter.value)) return on_device::set_exact_values(parameter, exact);
  const at::Tensor values = as_floats(parameter, exact);
  const kernels::cpu::ParameterSpan span = span_of(parameter);
  auto* const from = values.data_ptr<float>();
  in_pieces(values.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::split_exact({.parameter = span + begin, .exact = from + begin}, count);
  });
}

double sum_of_squares(std::span<const at::Tensor> tensors) {
  if (!tensors.empty() && on_device::takes(tensors.front())) {
    return on_device::sum_of_squares(tensors);
  }
  double total = 0;
  for (const at::Tensor& tensor : tensors) total += squares_of(tensor);
  return total;
}

void adamw_steps(std::span<const AdamWUpdate> updates) {
  if (!updates.empty() && on_device::takes(updates.front().gradient)) {
    return on_device::adamw_steps(updates);
  }
  for (const AdamWUpdate& update : updates) adamw_step(update);
}

void momentum_steps(std::span<const MomentumUpdate> updates) {
  if (!updates.empty() && on_device::takes(updates.front().momentum)) {
    return on_device::momentum_steps(updates);
  }
  for (const MomentumUpdate& update : updates) momentum_step(update);
}

void change_steps(std::span<const ChangeUpdate> updates) {
  if (!updates.empty() && on_device::takes(updates.front().parameter.value)) {
    return on_device::change_steps(updates);
  }
  for (const ChangeUpdate& update : updates) change_step(update);
}

void transport_step(const ExactParameter& parameter, const at::Tensor& change,
                    const at::Tensor& displacement, const ChangeStep& step,
                    double extrapolation_before, double extrapolation_after) {
  if (on_device::takes(parameter.value)) {
    return on_device::transport_step(parameter, change, displacement, step, extrapolation_before,
                                     extrapolation_after);
  }
  require_elements(parameter, displacement, "a displacement must fit its parameter");
  require(displacement.scalar_type() == at::kBFloat16 && displacement.is_contiguous(),
          "a displacement is contiguous bfloat16, found another kind");
  const at::Tensor changes = as_floats(parameter, change);
  const kernels::cpu::TransportUpdate whole{
      .change = change_of(parameter, changes, step),
      .displacement = halves_of(displacement),
      .extrapolation_before = static_cast<float>(extrapolation_before),
      .extrapolation_after = static_cast<float>(extrapolation_after)};
  in_pieces(changes.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::TransportUpdate piece = whole;
    advance(piece.change, begin);
    piece.displacement += begin;
    kernels::cpu::transport_update(piece, count);
  });
}

void look_ahead_step(const ExactParameter& parameter, const at::Tensor& before,
                     const at::Tensor& average, double keep, double extrapolation_before,
                     double extrapolation_after) {
  if (on_device::takes(parameter.value)) {
    return on_device::look_ahead_step(parameter, before, average, keep, extrapolation_before,
                                      extrapolation_after);
  }
  require_elements(parameter, average, "an average must fit its parameter");
  const at::Tensor old = as_floats(parameter, before);
  const kernels::cpu::LookAheadUpdate whole{
      .parameter = span_of(parameter),
      .before = old.data_ptr<float>(),
      .average = numbers_of(average),
      .share = static_cast<float>(1.0 - keep),
      .extrapolation_before = static_cast<float>(extrapolation_before),
      .extrapolation_after = static_cast<float>(extrapolation_after)};
  in_pieces(old.numel(), [&](std::int64_t begin, std::int64_t count) {
    kernels::cpu::LookAheadUpdate piece = whole;
    piece.parameter = whole.parameter + begin;
    piece.before += begin;
    piece.average = whole.average + begin;
    kernels::cpu::look_ahead_update(piece, count);
  });
}

}  // namespace panal::tensor
