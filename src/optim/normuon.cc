// NorMuon: Muon whose rows, one per output neuron, are brought to equal size by a running mean of
// their squares, because orthogonal updates of tall or ill-conditioned matrices favour some
// neurons.
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "optim/detail/newton_schulz.h"
#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

class NorMuon final : public UpdateRule {
 public:
  NorMuon(const MuonConfig& config, tensor::Precision state, Target target)
      : config_(config),
        target_(std::move(target)),
        momentum_(make_momentum(target_, state)),
        row_squares_(at::zeros({outputs_first(target_.name, target_.exact.value).size(0)},
                               target_.exact.value.options().dtype(at::kFloat))) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const at::Tensor direction =
        outputs_first(target_.name, tensor::momentum_step(momentum_, gradient, config_.momentum,
                                                          now.gradient_scale, config_.nesterov));
    const std::int64_t blocks = num_blocks(target_.name, config_);
    const at::Tensor orthogonal = orthogonalize_blocks(direction, blocks, config_);
    row_squares_.lerp_(orthogonal.square().mean(1), 1.0 - config_.row_beta);
    at::Tensor change = orthogonal / (row_squares_.sqrt() + 1e-8).unsqueeze(1);
    change.mul_(wanted_norm(orthogonal, blocks) / change.norm().clamp_min_(1e-30));
    tensor::change_step(target_.exact, outputs_first(target_.name, change),
                        {.length = learning_rate,
                         .decay = learning_rate * config_.weight_decay,
                         .is_cautious = config_.has_cautious_decay});
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"normuon.momentum/" + target_.name, momentum_});
    all.push_back({"normuon.row_squares/" + target_.name, row_squares_});
  }

 private:
  // A scalar tensor where orthogonal is: reading it would make the host wait for a device.
  at::Tensor wanted_norm(const at::Tensor& orthogonal, std::int64_t blocks) const {
    if (config_.scale == MuonScale::kMatchAdamW) {
      return at::full({}, 0.2 * std::sqrt(static_cast<double>(orthogonal.numel())),
                      orthogonal.options());
    }
    return orthogonal.norm().mul_(update_scale(config_.scale, orthogonal, blocks));
  }

  const MuonConfig config_;
  const Target target_;
  const at::Tensor momentum_;
  at::Tensor row_squares_;  // [outputs]
};

}  // namespace

std::unique_ptr<UpdateRule> make_normuon(const MuonConfig& config, tensor::Precision state,
                                         Target target) {
  return std::make_unique<NorMuon>(config, state, std::move(target));
}

}  // namespace panal::optim::detail
