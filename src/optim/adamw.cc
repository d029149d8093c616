// AdamW: Adam's moments with weight decay applied to the weights themselves. The arithmetic is
// torch's fused CPU kernel, one vectorised pass over parameter, gradient and both moments.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

// Parameters that share their weight decay: one kernel call serves them all.
struct Group {
  double weight_decay = 0;
  std::vector<tensor::NamedTensor> parameters;
  std::vector<at::Tensor> first_moments;
  std::vector<at::Tensor> second_moments;

  void add(tensor::NamedTensor parameter) {
    first_moments.push_back(at::zeros_like(parameter.value).set_requires_grad(false));
    second_moments.push_back(at::zeros_like(parameter.value).set_requires_grad(false));
    parameters.push_back(std::move(parameter));
  }
};

class AdamW final : public UpdateRule {
 public:
  AdamW(const AdamWConfig& config, std::vector<tensor::NamedTensor> parameters) : config_(config) {
    matrices_.weight_decay = config.weight_decay;
    for (auto& parameter : parameters) {
      // Norms and biases have no scale that a decay would keep in check.
      Group& group = parameter.value.dim() >= 2 ? matrices_ : vectors_;
      group.add(std::move(parameter));
    }
  }

  void update(double factor, std::int64_t step) override {
    update_group(matrices_, factor, step);
    update_group(vectors_, factor, step);
  }

  std::vector<tensor::NamedTensor> state() const override {
    std::vector<tensor::NamedTensor> all;
    for (const Group* group : {&matrices_, &vectors_}) {
      for (std::size_t i = 0; i < group->parameters.size(); ++i) {
        const std::string& name = group->parameters[i].name;
        all.push_back({"adamw.first_moment/" + name, group->first_moments[i]});
        all.push_back({"adamw.second_moment/" + name, group->second_moments[i]});
      }
    }
    return all;
  }

 private:
  void update_group(Group& group, double factor, std::int64_t step) const {
    std::vector<at::Tensor> values, gradients, first, second;
    for (std::size_t i = 0; i < group.parameters.size(); ++i) {
      const at::Tensor gradient = checked_gradient(group.parameters[i]);
      if (!gradient.defined()) continue;
      values.push_back(group.parameters[i].value);
      gradients.push_back(gradient.contiguous());
      first.push_back(group.first_moments[i]);
      second.push_back(group.second_moments[i]);
    }
    if (values.empty()) return;
    const std::vector<at::Tensor> steps(values.size(),
                                        at::full({}, static_cast<double>(step), at::kFloat));
    at::_fused_adamw_(values, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps,
                      config_.learning_rate * factor, config_.beta1, config_.beta2,
                      group.weight_decay, config_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }

  const AdamWConfig config_;
  Group matrices_;
  Group vectors_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_adamw(const AdamWConfig& config,
                                       std::vector<tensor::NamedTensor> parameters) {
  return std::make_unique<AdamW>(config, std::move(parameters));
}

}  // namespace panal::optim::detail
