// What is done to all gradients together before an update: their norm, clipping, and the check that
// they fit.
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include "base/error.h"
#include "optim/detail/rules.h"

namespace panal::optim {

at::Tensor detail::checked_gradient(const tensor::NamedTensor& parameter) {
  const at::Tensor& gradient = parameter.value.grad();
  if (!gradient.defined()) return {};
  PANAL_REQUIRE(
      gradient.scalar_type() == parameter.value.scalar_type() &&
          gradient.sizes() == parameter.value.sizes(),
      fmt::format("a gradient must have its parameter's type and shape, found another: {}",
                  parameter.name));
  return gradient;
}

namespace {

std::vector<at::Tensor> gradients_of(std::span<const tensor::NamedTensor> parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) {
    at::Tensor gradient = detail::checked_gradient(parameter);
    if (gradient.defined()) gradients.push_back(std::move(gradient));
  }
  return gradients;
}

}  // namespace

double gradient_norm(std::span<const tensor::NamedTensor> parameters) {
  const at::NoGradGuard no_gradients;
  const std::vector<at::Tensor> gradients = gradients_of(parameters);
  if (gradients.empty()) return 0.0;
  return at::stack(at::_foreach_norm(gradients)).norm().item<double>();
}

void clip_gradients(std::span<const tensor::NamedTensor> parameters, double norm, double max_norm) {
  if (!(norm > max_norm)) return;
  const at::NoGradGuard no_gradients;
  // The small number is torch.nn.utils.clip_grad_norm_'s, so that clipped runs equal PyTorch's.
  at::_foreach_mul_(gradients_of(parameters), max_norm / (norm + 1e-6));
}

}  // namespace panal::optim
