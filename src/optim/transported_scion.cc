// Transported Scion: Scion whose gradients come from a point ahead of the weights, which takes the
// first-order error out of the momentum. The parameter is that point; one bfloat16 buffer holds the
// last displacement, and the weights are the parameter less extrapolation * displacement.
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "optim/detail/lmo.h"
#include "optim/detail/newton_schulz.h"

namespace panal::optim::detail {
namespace {

class TransportedScion final : public OrthogonalRule {
 public:
  TransportedScion(const recipe::TransportedScionConfig& config,
                   const recipe::MuonConfig& newton_schulz, tensor::Precision state,
                   const Target& target)
      : OrthogonalRule(target, {make_momentum(target, state), config.momentum, config.nesterov},
                       newton_schulz),
        config_(config),
        norm_(resolved_norm(config.norm, target)),
        // Norms and biases have no scale that a decay would keep in check.
        weight_decay_(target.exact.value.dim() >= 2 ? config.weight_decay : 0.0),
        displacement_(make_momentum(target, tensor::Precision::kBFloat16)),
        extrapolation_(at::zeros({1}, at::kFloat)) {}

  OrthogonalRule* orthogonal() override {
    return norm_ == recipe::Norm::kSpectral ? this : nullptr;
  }

  void update(const at::Tensor& gradient, const Now& now) override {
    if (norm_ == recipe::Norm::kSpectral) return OrthogonalRule::update(gradient, now);
    const at::Tensor direction = made_direction(momentum_update(gradient, now));
    step(uphill(norm_, target(), direction), 1.0, now);
  }

  void follow(const at::Tensor& orthogonal, const Now& now) override {
    step(outputs_first(target().name, orthogonal),
         spectral_radius(orthogonal, num_blocks(target().name, newton_schulz())), now);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"transported_scion.momentum/" + target().name, momentum()});
    all.push_back({"transported_scion.displacement/" + target().name, displacement_});
    all.push_back({"transported_scion.extrapolation/" + target().name, extrapolation_});
  }

  Lead lead() const override { return {displacement_, extrapolation_.item<double>()}; }

 private:
  // along: as the parameter is stored.
  void step(const at::Tensor& along, double length, const Now& now) const {
    const double learning_rate = config_.learning_rate * now.factor;
    const auto after = static_cast<float>(extrapolation_at(now));
    tensor::transport_step(target().exact, along, displacement_,
                           {.length = learning_rate * length,
                            .decay = learning_rate * weight_decay_,
                            .is_cautious = newton_schulz().has_cautious_decay},
                           extrapolation_.item<double>(), after);
    extrapolation_.fill_(after);
  }

  double extrapolation_at(const Now& now) const {
    const auto warmup = static_cast<double>(config_.extrapolation_warmup_steps);
    const double grown = warmup > 0 ? std::min(1.0, static_cast<double>(now.step) / warmup) : 1.0;
    return config_.extrapolation * grown * std::min(1.0, now.factor);
  }

  const recipe::TransportedScionConfig config_;
  const recipe::Norm norm_;
  const double weight_decay_;
  const at::Tensor displacement_;
  const at::Tensor extrapolation_;  // [1], of the parameter as it is.
};

}  // namespace

std::unique_ptr<UpdateRule> make_transported_scion(const recipe::OptimizerConfig& config,
                                                   const Target& target) {
  return std::make_unique<TransportedScion>(config.transported_scion, config.muon,
                                            config.state_precision, target);
}

}  // namespace panal::optim::detail
