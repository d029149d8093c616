#include "tensor/slices.h"

#include <torch/types.h>

namespace panal::tensor {
namespace {

bool pays(const at::Tensor& x) { return x.is_cpu() && x.numel() >= 2 * kElementsPerSlice; }

}  // namespace

at::Tensor converted(const at::Tensor& x, at::ScalarType type) {
  if (x.scalar_type() == type) return x;
  const bool is_view = x.dim() == 2 && !x.is_contiguous() && x.t().is_contiguous();
  if (is_view) return converted(x.t(), type).t();
  if (!pays(x) || !x.is_contiguous()) return x.to(type);
  const at::Tensor result = at::empty(x.sizes(), x.options().dtype(type).requires_grad(false));
  convert_into(result, x);
  return result;
}

void convert_into(const at::Tensor& to, const at::Tensor& from) {
  if (!pays(to) || !to.is_contiguous() || !from.is_contiguous()) {
    const at::NoGradGuard no_gradient;
    to.copy_(from);
    return;
  }
  over_slices<2>({to, from}, [](const auto& slices) { slices[0].copy_(slices[1]); });
}

}  // namespace panal::tensor
