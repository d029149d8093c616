// Muon: momentum, then every singular value of the update is set to about 1, so that no direction
// of a weight matrix is left behind.
#include "optim/detail/newton_schulz.h"
#include "optim/detail/rules.h"

namespace panal::optim::detail {
namespace {

class Muon final : public UpdateRule {
 public:
  Muon(const MuonConfig& config, tensor::Precision state, Target target)
      : config_(config), target_(std::move(target)), momentum_(make_momentum(target_, state)) {}

  void update(const at::Tensor& gradient, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const at::Tensor direction =
        outputs_first(target_.name, tensor::momentum_step(momentum_, gradient, config_.momentum,
                                                          now.gradient_scale, config_.nesterov));
    const std::int64_t blocks = num_blocks(target_.name, config_);
    const at::Tensor change = orthogonalize_blocks(direction, blocks, config_);
    tensor::change_step(target_.exact, outputs_first(target_.name, change),
                        {.length = learning_rate * update_scale(config_.scale, direction, blocks),
                         .decay = learning_rate * config_.weight_decay,
                         .is_cautious = config_.has_cautious_decay});
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"muon.momentum/" + target_.name, momentum_});
  }

 private:
  const MuonConfig config_;
  const Target target_;
  const at::Tensor momentum_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_muon(const MuonConfig& config, tensor::Precision state,
                                      Target target) {
  return std::make_unique<Muon>(config, state, std::move(target));
}

}  // namespace panal::optim::detail
