// Muon: momentum, then every singular value of the update is set to about 1, so that no direction
// of a weight matrix is left behind. For hidden matrices only; make_optimizer gives the rest to
// AdamW.
#include <ATen/ops/lerp.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "optim/detail/rules.h"
#include "tensor/linear.h"

namespace panal::optim::detail {
namespace {

// The published coefficients: steepest at 0, so that small singular values grow fastest.
constexpr double kA = 3.4445;
constexpr double kB = -4.7750;
constexpr double kC = 2.0315;
constexpr double kSmallestNorm = 1e-7;

// GPT-2's files hold its linear layers as [inputs, outputs] (Conv1D).
bool is_stored_transposed(std::string_view name) {
  for (const std::string_view layer : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (name.ends_with(layer)) return true;
  }
  return false;
}

double update_scale(MuonScale scale, const tensor::NamedTensor& parameter) {
  auto rows = static_cast<double>(parameter.value.size(0));
  auto columns = static_cast<double>(parameter.value.size(1));
  if (is_stored_transposed(parameter.name)) std::swap(rows, columns);
  if (scale == MuonScale::kMatchAdamW) return 0.2 * std::sqrt(std::max(rows, columns));
  return std::sqrt(std::max(1.0, rows / columns));
}

class Muon final : public UpdateRule {
 public:
  Muon(const MuonConfig& config, std::vector<tensor::NamedTensor> parameters)
      : config_(config), parameters_(std::move(parameters)) {
    for (const auto& parameter : parameters_) {
      momenta_.push_back(at::zeros_like(parameter.value).set_requires_grad(false));
    }
  }

  void update(double factor, std::int64_t /*step*/) override {
    const double learning_rate = config_.learning_rate * factor;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor gradient = checked_gradient(parameters_[i]);
      if (!gradient.defined()) continue;
      at::Tensor& momentum = momenta_[i];
      momentum.lerp_(gradient, 1.0 - config_.momentum);
      const at::Tensor direction =
          config_.nesterov ? at::lerp(gradient, momentum, config_.momentum) : momentum;
      const at::Tensor change =
          orthogonalize(direction, config_.newton_schulz_steps, config_.precision);
      at::Tensor value = parameters_[i].value;
      value.mul_(1.0 - learning_rate * config_.weight_decay);
      value.add_(change, -learning_rate * update_scale(config_.scale, parameters_[i]));
    }
  }

  std::vector<tensor::NamedTensor> state() const override {
    std::vector<tensor::NamedTensor> all;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      all.push_back({"muon.momentum/" + parameters_[i].name, momenta_[i]});
    }
    return all;
  }

 private:
  const MuonConfig config_;
  const std::vector<tensor::NamedTensor> parameters_;
  std::vector<at::Tensor> momenta_;
};

}  // namespace

at::Tensor orthogonalize(const at::Tensor& matrix, int steps, tensor::Precision precision) {
  const bool is_tall = matrix.size(0) > matrix.size(1);
  at::Tensor x = is_tall ? matrix.t() : matrix;  // [n, m], n <= m: the products below are n x n.
  x = (x / std::max(matrix.norm().item<double>(), kSmallestNorm)).contiguous();
  if (precision == tensor::Precision::kBFloat16) x = x.to(at::kBFloat16);
  for (int i = 0; i < steps; ++i) {
    const at::Tensor gram = tensor::product_nt(x, x);  // Symmetric, so its own transpose.
    const at::Tensor polynomial = tensor::product_nt(gram, gram).mul_(kC).add_(gram, kB);
    x = tensor::product_nt(polynomial, x.t()).add_(x, kA);
  }
  x = x.to(matrix.scalar_type());
  return is_tall ? x.t() : x;
}

std::unique_ptr<UpdateRule> make_muon(const MuonConfig& config,
                                      std::vector<tensor::NamedTensor> parameters) {
  return std::make_unique<Muon>(config, std::move(parameters));
}

}  // namespace panal::optim::detail
