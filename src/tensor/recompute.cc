#include "tensor/recompute.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <utility>

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The part on its way through the graph, and what its first run gave beside its values.
struct KeptPart : torch::CustomClassHolder {
  explicit KeptPart(Part given) : part(std::move(given)) {}
  Part part;
  at::Tensor beside{};
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  // `anchor` wants a gradient, so that there is a backward pass also where the input wants none but
  // the part's leaves do. Runs without autograd, as every forward of a Function.
  static variable_list forward(AutogradContext* context, const at::Tensor& input,
                               const at::Tensor& /*anchor*/,
                               const c10::intrusive_ptr<KeptPart>& kept) {
    context->save_for_backward({input});
    context->saved_data["part"] = at::IValue::make_capsule(kept);
    context->set_materialize_grads(false);
    PartResult result = kept->part(input);
    kept->beside = std::move(result.beside);
    return result.values;
  }
  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto capsule = context->saved_data["part"].toCapsule();
    context->saved_data.clear();  // What the part holds goes with this pass, not with the graph.
    const at::Tensor input = context->get_saved_variables()[0].detach().set_requires_grad(true);
    variable_list values, gradients;
    {
      const at::AutoGradMode with_gradients(true);
      const PartResult again = static_cast<KeptPart&>(*capsule).part(input);
      for (std::size_t i = 0; i < upstream.size(); ++i) {
        if (!upstream[i].defined()) continue;
        values.push_back(again.values[i]);
        gradients.push_back(std::move(upstream[i]));
      }
    }
    torch::autograd::backward(values, gradients);
    return {input.grad(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

PartResult recomputed(const Part& part, const at::Tensor& input) {
  if (!at::GradMode::is_enabled()) return part(input);
  const auto kept = c10::make_intrusive<KeptPart>(part);
  const at::Tensor anchor = at::empty({0}, at::kFloat).set_requires_grad(true);
  variable_list values = Recomputed::apply(input, anchor, kept);
  return {.values = std::move(values), .beside = std::exchange(kept->beside, {})};
}

}  // namespace panal::tensor
