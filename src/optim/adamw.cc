// AdamW: Adam's moments with weight decay applied to the weights themselves, in one pass over
// parameter, gradient and both moments.
#include <ATen/ops/zeros.h>

#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

class AdamW final : public UpdateRule {
 public:
  AdamW(const recipe::AdamWConfig& config, tensor::Precision state, Target target)
      : config_(config),
        target_(std::move(target)),
        // Norms and biases have no scale that a decay would keep in check.
        weight_decay_(target_.exact.value.dim() >= 2 ? config.weight_decay : 0.0),
        first_moment_(make_momentum(target_, state)),
        second_moment_(make_momentum(target_, tensor::Precision::kFloat32)) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    tensor::AdamWUpdate update{.parameter = target_.exact,
                               .gradient = gradient,
                               .first_moment = first_moment_,
                               .second_moment = second_moment_,
                               .step = {.learning_rate = config_.learning_rate * now.factor,
                                        .beta1 = config_.beta1,
                                        .beta2 = config_.beta2,
                                        .epsilon = config_.epsilon,
                                        .weight_decay = weight_decay_,
                                        .gradient_scale = now.gradient_scale,
                                        .step = now.step}};
    if (now.waiting != nullptr) {
      now.waiting->adamw.push_back(std::move(update));
    } else {
      tensor::adamw_steps({&update, 1});
    }
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"adamw.first_moment/" + target_.name, first_moment_});
    all.push_back({"adamw.second_moment/" + target_.name, second_moment_});
  }

 private:
  const recipe::AdamWConfig config_;
  const Target target_;
  const double weight_decay_;
  const at::Tensor first_moment_;
  const at::Tensor second_moment_;
};

}  // namespace

at::Tensor make_momentum(const Target& target, tensor::Precision state) {
  const auto type = state == tensor::Precision::kBFloat16 ? at::kBFloat16 : at::kFloat;
  return at::zeros(target.exact.value.sizes(), target.exact.value.options().dtype(type));
}

std::unique_ptr<UpdateRule> make_adamw(const recipe::OptimizerConfig& config,
                                       const Target& target) {
  return std::make_unique<AdamW>(config.adamw, config.state_precision, target);
}

}  // namespace panal::optim::detail
