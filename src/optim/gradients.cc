// What is done to all gradients together before an update: their norm, the scale that clips it, and
// the check that they fit.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "optim/detail/rules.h"

namespace panal::optim {

at::Tensor detail::checked_gradient(const tensor::NamedTensor& parameter) {
  const at::Tensor& gradient = parameter.value.grad();
  if (!gradient.defined()) return {};
  PANAL_REQUIRE(
      (gradient.scalar_type() == parameter.value.scalar_type() ||
       gradient.scalar_type() == at::kFloat) &&
          gradient.sizes() == parameter.value.sizes(),
      fmt::format("a gradient must have its parameter's type and shape, found another: {}",
                  parameter.name));
  return gradient;
}

double gradient_norm(std::span<const tensor::NamedTensor> parameters) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) {
    const at::Tensor gradient = detail::checked_gradient(parameter);
    if (gradient.defined()) gradients.push_back(gradient);
  }
  return std::sqrt(tensor::sum_of_squares(gradients));
}

double clip_scale(double norm, double max_norm) {
  if (max_norm <= 0 || !(norm > max_norm)) return 1.0;
  // The small number is torch.nn.utils.clip_grad_norm_'s, so that clipped runs equal PyTorch's.
  return max_norm / (norm + 1e-6);
}

}  // namespace panal::optim
