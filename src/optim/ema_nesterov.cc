// EMA-Nesterov: another rule, taken ahead along the running mean of how the weights have moved.
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

class EmaNesterov final : public UpdateRule {
 public:
  EmaNesterov(const recipe::EmaNesterovConfig& config, tensor::Precision state, Target target,
              std::unique_ptr<UpdateRule> rule)
      : config_(config),
        target_(std::move(target)),
        rule_(std::move(rule)),
        average_(make_momentum(target_, state)),
        extrapolation_(at::zeros({1}, at::kFloat)) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    const at::Tensor before = tensor::exact_values(target_.exact);
    Now at_once = now;  // What is added below starts from where the rule went.
    at_once.waiting = nullptr;
    rule_->update(gradient, at_once);
    const auto after = static_cast<float>(
        now.step > config_.begin_step ? config_.extrapolation * std::min(1.0, now.factor) : 0.0);
    tensor::look_ahead_step(target_.exact, before, average_, config_.keep,
                            extrapolation_.item<double>(), after);
    extrapolation_.fill_(after);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    rule_->append_state(all);
    all.push_back({"ema_nesterov.average/" + target_.name, average_});
    all.push_back({"ema_nesterov.extrapolation/" + target_.name, extrapolation_});
  }

  Lead lead() const override { return {average_, extrapolation_.item<double>()}; }

 private:
  const recipe::EmaNesterovConfig config_;
  const Target target_;
  const std::unique_ptr<UpdateRule> rule_;
  const at::Tensor average_;
  const at::Tensor extrapolation_;  // [1], of the parameter as it is.
};

}  // namespace

std::unique_ptr<UpdateRule> make_ema_nesterov(const recipe::EmaNesterovConfig& config,
                                              tensor::Precision state, Target target,
                                              std::unique_ptr<UpdateRule> rule) {
  return std::make_unique<EmaNesterov>(config, state, std::move(target), std::move(rule));
}

}  // namespace panal::optim::detail
