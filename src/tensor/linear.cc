#include "tensor/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "base/error.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// oneDNN's product on plain tensors. It is registered only where torch was built with oneDNN.
using PointwiseSignature = at::Tensor(const at::Tensor&, const at::Tensor&,
                                      const std::optional<at::Tensor>&, c10::string_view,
                                      c10::List<std::optional<at::Scalar>>,
                                      std::optional<c10::string_view>);
const c10::TypedOperatorHandle<PointwiseSignature>* one_dnn_linear() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<PointwiseSignature>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
    return schema->typed<PointwiseSignature>();
  }();
  return found ? &*found : nullptr;
}

// Below this many multiplications oneDNN's fixed cost per call outweighs its speed.
constexpr std::int64_t kSmallProduct = 1 << 14;

class Linear : public torch::autograd::Function<Linear> {
 public:
  // The weight is [out, in], maybe a transposed view.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight) {
    context->save_for_backward({x, weight});
    return product_nt(x, weight);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();  // [m, out]
    variable_list result(2);
    if (context->needs_input_grad(0)) result[0] = product_nt(gradient, saved[1].t());
    if (context->needs_input_grad(1)) {
      // A thin result (an adapter's) is cheap only with the thin side first.
      result[1] = saved[1].size(1) < saved[1].size(0) / 4
                      ? product_nt(saved[0].t(), gradient.t()).t()
                      : at::mm(gradient.t(), saved[0]);
    }
    return result;
  }
};

at::Tensor differentiable_product(const at::Tensor& x, const at::Tensor& weight) {
  PANAL_REQUIRE(weight.dim() == 2 && x.dim() >= 1 && x.size(-1) == weight.size(1),
                fmt::format("linear: wanted inputs of width {}, found {}",
                            weight.dim() == 2 ? weight.size(1) : -1, x.size(-1)));
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return Linear::apply(x.reshape({-1, x.size(-1)}), weight).view(shape);
}

}  // namespace

at::Tensor product_nt(const at::Tensor& a, const at::Tensor& b) {
  const auto* one_dnn = one_dnn_linear();
  if (one_dnn == nullptr || !a.is_cpu() || a.size(0) * a.size(1) * b.size(0) < kSmallProduct) {
    return at::mm(a, b.t());
  }
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return one_dnn->call(a, b, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight) {
  return differentiable_product(x, weight);
}

at::Tensor linear_in_out(const at::Tensor& x, const at::Tensor& weight) {
  return differentiable_product(x, weight.t());
}

}  // namespace panal::tensor
