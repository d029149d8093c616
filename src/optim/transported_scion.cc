// Transported Scion: Scion whose gradients come from a point ahead of the weights, which takes the
// first-order error out of the momentum. The parameter is that point; one bfloat16 buffer holds the
// last displacement, and the weights are the parameter less extrapolation * displacement.
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "optim/detail/lmo.h"

namespace panal::optim::detail {
namespace {

class TransportedScion final : public UpdateRule {
 public:
  TransportedScion(const TransportedScionConfig& config, const MuonConfig& newton_schulz,
                   tensor::Precision state, Target target)
      : config_(config),
        newton_schulz_(newton_schulz),
        target_(std::move(target)),
        norm_(resolved_norm(config.norm, target_)),
        // Norms and biases have no scale that a decay would keep in check.
        weight_decay_(target_.exact.value.dim() >= 2 ? config.weight_decay : 0.0),
        momentum_(make_momentum(target_, state)),
        displacement_(make_momentum(target_, tensor::Precision::kBFloat16)),
        extrapolation_(at::zeros({1}, at::kFloat)) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const at::Tensor direction = tensor::momentum_step(momentum_, gradient, config_.momentum,
                                                       now.gradient_scale, config_.nesterov);
    const auto after = static_cast<float>(extrapolation_at(now));
    tensor::transport_step(target_.exact, uphill(norm_, target_, direction, newton_schulz_),
                           displacement_,
                           {.length = learning_rate,
                            .decay = learning_rate * weight_decay_,
                            .is_cautious = newton_schulz_.has_cautious_decay},
                           extrapolation_.item<double>(), after);
    extrapolation_.fill_(after);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"transported_scion.momentum/" + target_.name, momentum_});
    all.push_back({"transported_scion.displacement/" + target_.name, displacement_});
    all.push_back({"transported_scion.extrapolation/" + target_.name, extrapolation_});
  }

  Lead lead() const override { return {displacement_, extrapolation_.item<double>()}; }

 private:
  double extrapolation_at(const Now& now) const {
    const auto warmup = static_cast<double>(config_.extrapolation_warmup_steps);
    const double grown = warmup > 0 ? std::min(1.0, static_cast<double>(now.step) / warmup) : 1.0;
    return config_.extrapolation * grown * std::min(1.0, now.factor);
  }

  const TransportedScionConfig config_;
  const MuonConfig newton_schulz_;
  const Target target_;
  const Norm norm_;
  const double weight_decay_;
  const at::Tensor momentum_;
  const at::Tensor displacement_;
  const at::Tensor extrapolation_;  // [1], of the parameter as it is.
};

}  // namespace

std::unique_ptr<UpdateRule> make_transported_scion(const TransportedScionConfig& config,
                                                   const MuonConfig& newton_schulz,
                                                   tensor::Precision state, Target target) {
  return std::make_unique<TransportedScion>(config, newton_schulz, state, std::move(target));
}

}  // namespace panal::optim::detail
