// Scion: steps to the border of a ball whose norm suits the layer, and the balls themselves.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "optim/detail/lmo.h"
#include "optim/detail/newton_schulz.h"

namespace panal::optim::detail {
namespace {

constexpr double kSmallest = 1e-8;  // The authors' guard against division by zero.

class Scion final : public OrthogonalRule {
 public:
  Scion(const recipe::ScionConfig& config, const recipe::MuonConfig& newton_schulz,
        tensor::Precision state, const Target& target)
      : OrthogonalRule(target, {make_momentum(target, state), config.momentum}, newton_schulz),
        config_(config),
        norm_(resolved_norm(config.norm, target)),
        radius_(config.radius.value_or(norm_ == recipe::Norm::kSign ? 3000.0 : 50.0)) {}

  OrthogonalRule* orthogonal() override {
    return norm_ == recipe::Norm::kSpectral ? this : nullptr;
  }

  void update(const at::Tensor& gradient, const Now& now) override {
    if (norm_ == recipe::Norm::kSpectral) return OrthogonalRule::update(gradient, now);
    const at::Tensor direction = made_direction(momentum_update(gradient, now));
    Now at_once = now;  // What would wait is a copy of the parameter.
    at_once.waiting = nullptr;
    step(outputs_first(target().name, uphill(norm_, target(), direction)), 1.0, at_once);
  }

  void follow(const at::Tensor& orthogonal, const Now& now) override {
    step(orthogonal, spectral_radius(orthogonal, num_blocks(target().name, newton_schulz())), now);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"scion.momentum/" + target().name, momentum()});
  }

 private:
  void step(const at::Tensor& along, double length, const Now& now) const {
    const double learning_rate = config_.learning_rate * now.factor;
    change(target(), along,
           {.length = learning_rate * radius_ * length,
            .decay = config_.is_constrained ? learning_rate : 0.0},
           now);
  }

  const recipe::ScionConfig config_;
  const recipe::Norm norm_;
  const double radius_;
};

}  // namespace

recipe::Norm resolved_norm(recipe::Norm norm, const Target& target) {
  const std::int64_t dimensions = target.exact.value.dim();
  if (norm == recipe::Norm::kAuto)
    return dimensions == 2 ? recipe::Norm::kSpectral : recipe::Norm::kBiasRms;
  PANAL_REQUIRE(dimensions == 2 || norm == recipe::Norm::kBiasRms,
                fmt::format("the norm {} is for matrices, found {} dimensions: {}",
                            recipe::norm_name(norm), dimensions, target.name));
  return norm;
}

double spectral_radius(const at::Tensor& orthogonal, std::int64_t blocks) {
  const double outputs = static_cast<double>(orthogonal.size(0)) / static_cast<double>(blocks);
  return std::sqrt(outputs / static_cast<double>(orthogonal.size(1)));
}

at::Tensor uphill(recipe::Norm resolved, const Target& target, const at::Tensor& direction) {
  if (resolved == recipe::Norm::kBiasRms || resolved == recipe::Norm::kAuto) {
    return direction / (direction.square().mean().sqrt() + kSmallest);
  }
  const at::Tensor matrix = outputs_first(target.name, direction);  // [outputs, inputs]
  const auto inputs = static_cast<double>(matrix.size(1));
  at::Tensor change;
  if (resolved == recipe::Norm::kSign) {
    change = matrix.sign() / inputs;
  } else if (resolved == recipe::Norm::kColumn) {
    change = matrix / (matrix.square().mean(0, /*keepdim=*/true).sqrt() + kSmallest);
  } else {
    change =
        matrix / (matrix.square().sum(1, /*keepdim=*/true).sqrt() * std::sqrt(inputs) + kSmallest);
  }
  return outputs_first(target.name, change);
}

std::unique_ptr<UpdateRule> make_scion(const recipe::OptimizerConfig& config,
                                       const Target& target) {
  return std::make_unique<Scion>(config.scion, config.muon, config.state_precision, target);
}

}  // namespace panal::optim::detail
