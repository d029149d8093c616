// NorMuon: Muon whose rows, one per output neuron, are brought to equal size by a running mean of
// their squares, because orthogonal updates of tall or ill-conditioned matrices favour some
// neurons.
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "optim/detail/newton_schulz.h"
#include "optim/detail/orthogonal_rule.h"

namespace panal::optim::detail {
namespace {

class NorMuon final : public OrthogonalRule {
 public:
  NorMuon(const recipe::MuonConfig& config, tensor::Precision state, const Target& target)
      : OrthogonalRule(target, {make_momentum(target, state), config.momentum, config.nesterov},
                       config),
        config_(config),
        row_squares_(at::zeros({outputs_first(target.name, target.exact.value).size(0)},
                               target.exact.value.options().dtype(at::kFloat))) {}

  void follow(const at::Tensor& orthogonal, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const std::int64_t blocks = num_blocks(target().name, config_);
    row_squares_.lerp_(orthogonal.square().mean(1), 1.0 - config_.row_beta);
    at::Tensor even = orthogonal / (row_squares_.sqrt() + 1e-8).unsqueeze(1);
    even.mul_(wanted_norm(orthogonal, blocks) / even.norm().clamp_min_(1e-30));
    change(target(), even,
           {.length = learning_rate,
            .decay = learning_rate * config_.weight_decay,
            .is_cautious = config_.has_cautious_decay},
           now);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"normuon.momentum/" + target().name, momentum()});
    all.push_back({"normuon.row_squares/" + target().name, row_squares_});
  }

 private:
  // A scalar tensor where orthogonal is: reading it would make the host wait for a device.
  at::Tensor wanted_norm(const at::Tensor& orthogonal, std::int64_t blocks) const {
    if (config_.scale == recipe::MuonScale::kMatchAdamW) {
      return at::full({}, 0.2 * std::sqrt(static_cast<double>(orthogonal.numel())),
                      orthogonal.options());
    }
    return orthogonal.norm().mul_(update_scale(config_.scale, orthogonal, blocks));
  }

  const recipe::MuonConfig config_;
  at::Tensor row_squares_;  // [outputs]
};

}  // namespace

std::unique_ptr<UpdateRule> make_normuon(const recipe::OptimizerConfig& config,
                                         const Target& target) {
  return std::make_unique<NorMuon>(config.muon, config.state_precision, target);
}

}  // namespace panal::optim::detail
