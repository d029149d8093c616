// Scion: steps to the border of a ball whose norm suits the layer, and the balls themselves.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "optim/detail/lmo.h"
#include "optim/detail/newton_schulz.h"

namespace panal::optim::detail {
namespace {

constexpr double kSmallest = 1e-8;  // The authors' guard against division by zero.

at::Tensor spectral(const Target& target, const at::Tensor& direction,
                    const MuonConfig& newton_schulz) {
  const at::Tensor matrix = outputs_first(target.name, direction);
  const std::int64_t blocks = num_blocks(target.name, newton_schulz);
  const double outputs = static_cast<double>(matrix.size(0)) / static_cast<double>(blocks);
  const double scale = std::sqrt(outputs / static_cast<double>(matrix.size(1)));
  const at::Tensor change = orthogonalize_blocks(matrix, blocks, newton_schulz) * scale;
  return outputs_first(target.name, change);
}

class Scion final : public UpdateRule {
 public:
  Scion(const ScionConfig& config, const MuonConfig& newton_schulz, tensor::Precision state,
        Target target)
      : config_(config),
        newton_schulz_(newton_schulz),
        target_(std::move(target)),
        norm_(resolved_norm(config.norm, target_)),
        radius_(config.radius.value_or(norm_ == Norm::kSign ? 3000.0 : 50.0)),
        momentum_(make_momentum(target_, state)) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const at::Tensor direction = tensor::momentum_step(momentum_, gradient, config_.momentum,
                                                       now.gradient_scale, /*look_ahead=*/false);
    tensor::change_step(
        target_.exact, uphill(norm_, target_, direction, newton_schulz_),
        {.length = learning_rate * radius_, .decay = config_.is_constrained ? learning_rate : 0.0});
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"scion.momentum/" + target_.name, momentum_});
  }

 private:
  const ScionConfig config_;
  const MuonConfig newton_schulz_;
  const Target target_;
  const Norm norm_;
  const double radius_;
  const at::Tensor momentum_;
};

}  // namespace

Norm resolved_norm(Norm norm, const Target& target) {
  const std::int64_t dimensions = target.exact.value.dim();
  if (norm == Norm::kAuto) return dimensions == 2 ? Norm::kSpectral : Norm::kBiasRms;
  PANAL_REQUIRE(dimensions == 2 || norm == Norm::kBiasRms,
                fmt::format("the norm {} is for matrices, found {} dimensions: {}", norm_name(norm),
                            dimensions, target.name));
  return norm;
}

at::Tensor uphill(Norm resolved, const Target& target, const at::Tensor& direction,
                  const MuonConfig& newton_schulz) {
  if (resolved == Norm::kSpectral) return spectral(target, direction, newton_schulz);
  if (resolved == Norm::kBiasRms || resolved == Norm::kAuto) {
    return direction / (direction.square().mean().sqrt() + kSmallest);
  }
  const at::Tensor matrix = outputs_first(target.name, direction);  // [outputs, inputs]
  const auto inputs = static_cast<double>(matrix.size(1));
  at::Tensor change;
  if (resolved == Norm::kSign) {
    change = matrix.sign() / inputs;
  } else if (resolved == Norm::kColumn) {
    change = matrix / (matrix.square().mean(0, /*keepdim=*/true).sqrt() + kSmallest);
  } else {
    change =
        matrix / (matrix.square().sum(1, /*keepdim=*/true).sqrt() * std::sqrt(inputs) + kSmallest);
  }
  return outputs_first(target.name, change);
}

std::unique_ptr<UpdateRule> make_scion(const ScionConfig& config, const MuonConfig& newton_schulz,
                                       tensor::Precision state, Target target) {
  return std::make_unique<Scion>(config, newton_schulz, state, std::move(target));
}

}  // namespace panal::optim::detail
