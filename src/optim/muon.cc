// Muon: momentum, then every singular value of the update is set to about 1, so that no direction
// of a weight matrix is left behind.
#include "optim/detail/newton_schulz.h"
#include "optim/detail/orthogonal_rule.h"

namespace panal::optim::detail {
namespace {

class Muon final : public OrthogonalRule {
 public:
  Muon(const recipe::MuonConfig& config, tensor::Precision state, const Target& target)
      : OrthogonalRule(target, {make_momentum(target, state), config.momentum, config.nesterov},
                       config),
        config_(config) {}

  void follow(const at::Tensor& orthogonal, const Now& now) override {
    const double learning_rate = config_.learning_rate * now.factor;
    const std::int64_t blocks = num_blocks(target().name, config_);
    change(target(), orthogonal,
           {.length = learning_rate * update_scale(config_.scale, orthogonal, blocks),
            .decay = learning_rate * config_.weight_decay,
            .is_cautious = config_.has_cautious_decay},
           now);
  }

  void append_state(std::vector<tensor::NamedTensor>& all) const override {
    all.push_back({"muon.momentum/" + target().name, momentum()});
  }

 private:
  const recipe::MuonConfig config_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_muon(const recipe::OptimizerConfig& config, const Target& target) {
  return std::make_unique<Muon>(config.muon, config.state_precision, target);
}

}  // namespace panal::optim::detail
