// Which parameter gets which rule, and the checks they all share.
#include "optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "optim/detail/rules.h"

namespace panal::optim {
namespace {

using tensor::NamedTensor;

void require_between(double value, double low, double high, std::string_view what) {
  PANAL_REQUIRE(
      value >= low && value < high,
      fmt::format("{} must be at least {} and under {}, found {}", what, low, high, value));
}

void check_config(const OptimizerConfig& config) {
  require_between(config.adamw.learning_rate, 0, 1e3, "AdamW's learning rate");
  require_between(config.adamw.beta1, 0, 1, "beta1");
  require_between(config.adamw.beta2, 0, 1, "beta2");
  require_between(config.adamw.epsilon, 1e-30, 1, "epsilon");
  require_between(config.adamw.weight_decay, 0, 1e3, "AdamW's weight decay");
  require_between(config.muon.learning_rate, 0, 1e3, "Muon's learning rate");
  require_between(config.muon.momentum, 0, 1, "Muon's momentum");
  require_between(config.muon.weight_decay, 0, 1e3, "Muon's weight decay");
  require_between(config.muon.newton_schulz_steps, 1, 21, "Newton-Schulz steps");
}

void check_parameter(const NamedTensor& parameter) {
  const at::Tensor& value = parameter.value;
  PANAL_REQUIRE(value.defined() && value.scalar_type() == at::kFloat && value.is_contiguous() &&
                    value.device().is_cpu() && value.is_leaf(),
                fmt::format("an optimizer wants contiguous float32 leaf tensors on the CPU, found "
                            "another kind: {}",
                            parameter.name));
}

class RuleSet final : public Optimizer {
 public:
  explicit RuleSet(std::vector<std::unique_ptr<detail::UpdateRule>> rules)
      : rules_(std::move(rules)) {}

  void step(double factor) override {
    PANAL_REQUIRE(factor >= 0 && std::isfinite(factor),
                  fmt::format("a learning-rate factor must be 0 or more, found {}", factor));
    const at::NoGradGuard no_gradients;
    for (auto& rule : rules_) rule->update(factor, num_steps_ + 1);
    ++num_steps_;
  }

  std::int64_t num_steps() const override { return num_steps_; }
  void set_num_steps(std::int64_t num_steps) override {
    PANAL_REQUIRE(num_steps >= 0, fmt::format("steps must be 0 or more, found {}", num_steps));
    num_steps_ = num_steps;
  }

  std::vector<NamedTensor> state() const override {
    std::vector<NamedTensor> all;
    for (const auto& rule : rules_) {
      for (auto& entry : rule->state()) all.push_back(std::move(entry));
    }
    return all;
  }

 private:
  std::vector<std::unique_ptr<detail::UpdateRule>> rules_;
  std::int64_t num_steps_ = 0;
};

}  // namespace

std::string_view rule_name(Rule rule) { return rule == Rule::kMuon ? "muon" : "adamw"; }

bool is_hidden_matrix(const NamedTensor& parameter) {
  // Rows of these are looked up or chosen one at a time: their updates are sparse, not low in rank.
  constexpr std::array<std::string_view, 4> kTables = {"embed_tokens.", "lm_head.", "wte.", "wpe."};
  if (parameter.value.dim() != 2) return false;
  return std::ranges::none_of(kTables, [&](std::string_view table) {
    return parameter.name.find(table) != std::string::npos;
  });
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config,
                                          std::span<const NamedTensor> parameters) {
  check_config(config);
  PANAL_REQUIRE(!parameters.empty(), "an optimizer wants at least one parameter, found none");
  std::vector<NamedTensor> hidden, others;
  for (const auto& parameter : parameters) {
    check_parameter(parameter);
    const bool uses_muon = config.rule == Rule::kMuon && is_hidden_matrix(parameter);
    (uses_muon ? hidden : others).push_back(parameter);
  }
  std::vector<std::unique_ptr<detail::UpdateRule>> rules;
  if (!hidden.empty()) rules.push_back(detail::make_muon(config.muon, std::move(hidden)));
  if (!others.empty()) rules.push_back(detail::make_adamw(config.adamw, std::move(others)));
  return std::make_unique<RuleSet>(std::move(rules));
}

}  // namespace panal::optim
