// Which parameter gets which rule, and the checks they all share.
#include "optim/optimizer.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "base/error.h"
#include "optim/detail/orthogonal_rule.h"
#include "optim/detail/rules.h"
#include "optim/detail/state_stream.h"
#include "tensor/gram.h"

namespace panal::optim {
namespace {

using tensor::NamedTensor;

void require_between(double value, double low, double high, std::string_view what) {
  PANAL_REQUIRE(
      value >= low && value < high,
      fmt::format("{} must be at least {} and under {}, found {}", what, low, high, value));
}

void check_config(const recipe::OptimizerConfig& config) {
  ok_or_throw(recipe::check_settings(config));
  require_between(config.ema_nesterov.extrapolation, 0, 100.1, "EMA-Nesterov's extrapolation");
  require_between(config.ema_nesterov.keep, 0, 1, "EMA-Nesterov's keep");
}

void check_parameter(const NamedTensor& parameter, const at::Device& device) {
  const at::Tensor& value = parameter.value;
  const bool has_type =
      value.defined() && (value.scalar_type() == at::kFloat ||
                          (value.scalar_type() == at::kBFloat16 && value.dim() == 2));
  PANAL_REQUIRE(has_type && value.is_contiguous() && value.device() == device && value.is_leaf(),
                fmt::format("an optimizer wants contiguous leaf tensors in one place, float32 or, "
                            "matrices only, bfloat16, found another kind: {}",
                            parameter.name));
}

// What an assignment says over what the sections say.
recipe::OptimizerConfig with_assignment(recipe::OptimizerConfig config,
                                        const recipe::Assignment& line) {
  config.rule = line.rule;
  const recipe::RuleAccess& access = line.rule.descriptor().access;
  const auto put = [&](const auto& value, auto access_to, std::string_view what) {
    if (!value) return;
    PANAL_REQUIRE(access_to != nullptr, fmt::format("{} does not go with rule {}: {}", what,
                                                    rule_name(line.rule), line.match));
    access_to(config) = *value;
  };
  put(line.learning_rate, access.learning_rate, "a learning rate");
  put(line.weight_decay, access.weight_decay, "weight decay");
  put(line.norm, access.norm, "a norm");
  put(line.radius, access.radius, "a radius");
  check_config(config);
  return config;
}

struct Slot {
  NamedTensor parameter;
  detail::Target target;
  std::unique_ptr<detail::UpdateRule> rule;
  // Bits of parameter and remainder while the evaluation point is shown; else undefined.
  at::Tensor training_value{};
  at::Tensor training_remainder{};
  std::optional<detail::AwayStates> away{};  // With states on the host.

  // All states with their names, in their order: as handles, at home or on the device.
  std::vector<NamedTensor> states() const {
    std::vector<NamedTensor> all;
    rule->append_state(all);
    const at::Tensor& remainder = target.exact.remainder;
    if (remainder.defined()) all.push_back({"remainder/" + target.name, remainder});
    return all;
  }
};

// Scalars that steer a rule stay where they are.
std::vector<at::Tensor> movable(const std::vector<NamedTensor>& states) {
  std::vector<at::Tensor> handles;
  for (const NamedTensor& state : states) {
    if (state.value.dim() > 0 && state.value.numel() > 1) handles.push_back(state.value);
  }
  return handles;
}

// Calls work() with the slot's states where its parameter is.
void with_states(Slot& slot, const std::function<void()>& work) {
  if (!slot.away) return work();
  detail::AwayStates* const away = &*slot.away;
  detail::visit_away_states({&away, 1}, slot.parameter.value.device(),
                            [&](std::size_t) { work(); });
}

class RuleSet final : public Optimizer {
 public:
  explicit RuleSet(std::vector<Slot> slots) : slots_(std::move(slots)) {}

  void step(double factor, double gradient_scale) override {
    PANAL_REQUIRE(factor >= 0 && std::isfinite(factor),
                  fmt::format("a learning-rate factor must be 0 or more, found {}", factor));
    PANAL_REQUIRE(gradient_scale >= 0 && std::isfinite(gradient_scale),
                  fmt::format("a gradient scale must be 0 or more, found {}", gradient_scale));
    PANAL_REQUIRE(!shows_evaluation_point_,
                  "an optimizer steps from the training point, found the evaluation point");
    const at::NoGradGuard no_gradients;
    detail::Waiting waiting;
    const detail::Now alone{.factor = factor,
                            .gradient_scale = gradient_scale,
                            .step = num_steps_ + 1,
                            .waiting = nullptr};
    detail::Now with_others = alone;
    with_others.waiting = &waiting;
    std::vector<detail::OrthogonalUpdate> together;
    std::vector<std::pair<Slot*, at::Tensor>> visited;
    for (auto& slot : slots_) {
      const at::Tensor gradient = detail::checked_gradient(slot.parameter);
      if (!gradient.defined()) continue;
      if (slot.away) {
        visited.emplace_back(&slot, gradient);
      } else if (!tensor::gains_from_several(gradient)) {
        slot.rule->update(gradient, alone);
      } else if (slot.rule->orthogonal() != nullptr) {
        together.push_back({slot.rule->orthogonal(), gradient});
      } else {
        slot.rule->update(gradient, with_others);
      }
    }
    detail::update_orthogonal(together, with_others);
    waiting.make();
    update_visited(visited, alone);
    ++num_steps_;
  }

  std::int64_t num_steps() const override { return num_steps_; }
  void set_num_steps(std::int64_t num_steps) override {
    PANAL_REQUIRE(num_steps >= 0, fmt::format("steps must be 0 or more, found {}", num_steps));
    num_steps_ = num_steps;
  }

  std::vector<NamedTensor> state() const override {
    std::vector<NamedTensor> all;
    for (const auto& slot : slots_) {
      std::vector<NamedTensor> own = slot.states();
      if (slot.away) {
        // What moves is empty while it is away.
        std::size_t next = 0;
        for (NamedTensor& state : own) {
          if (state.value.numel() == 0) state.value = slot.away->homes()[next++];
        }
      }
      std::ranges::move(own, std::back_inserter(all));
    }
    return all;
  }

  bool show_evaluation_point() override {
    PANAL_REQUIRE(!shows_evaluation_point_, "the evaluation point is shown already");
    const at::NoGradGuard no_gradients;
    bool has_changed = false;
    for (auto& slot : slots_) {
      if (slot.rule->lead().extrapolation == 0) continue;
      has_changed = true;
      with_states(slot, [&] {
        const detail::Lead lead = slot.rule->lead();
        const tensor::ExactParameter& exact = slot.target.exact;
        slot.training_value = exact.value.detach().clone();
        if (exact.remainder.defined()) slot.training_remainder = exact.remainder.clone();
        const at::Tensor values = tensor::exact_values(exact);
        tensor::set_exact_values(exact,
                                 values.sub_(lead.direction.to(at::kFloat), lead.extrapolation));
      });
    }
    shows_evaluation_point_ = true;
    return has_changed;
  }

  void show_training_point() override {
    const at::NoGradGuard no_gradients;
    for (auto& slot : slots_) {
      if (!slot.training_value.defined()) continue;
      with_states(slot, [&] {
        slot.target.exact.value.copy_(slot.training_value);
        if (slot.training_remainder.defined()) {
          slot.target.exact.remainder.copy_(slot.training_remainder);
        }
      });
      slot.training_value = slot.training_remainder = at::Tensor();
    }
    shows_evaluation_point_ = false;
  }

 private:
  static void update_visited(const std::vector<std::pair<Slot*, at::Tensor>>& due,
                             const detail::Now& now) {
    if (due.empty()) return;
    std::vector<detail::AwayStates*> away;
    for (const auto& [slot, gradient] : due) away.push_back(&*slot->away);
    detail::visit_away_states(away, due.front().second.device(), [&](std::size_t i) {
      due[i].first->rule->update(due[i].second, now);
    });
  }

  std::vector<Slot> slots_;
  std::int64_t num_steps_ = 0;
  bool shows_evaluation_point_ = false;
};

}  // namespace

bool is_hidden_matrix(const NamedTensor& parameter) {
  return recipe::is_hidden_matrix(parameter.name, static_cast<std::size_t>(parameter.value.dim()));
}

std::unique_ptr<Optimizer> make_optimizer(const recipe::OptimizerConfig& config,
                                          std::span<const NamedTensor> parameters) {
  return make_optimizer_of(config, parameters, std::vector<bool>(parameters.size(), true));
}

std::unique_ptr<Optimizer> make_optimizer_of(const recipe::OptimizerConfig& config,
                                             std::span<const NamedTensor> parameters,
                                             const std::vector<bool>& is_owned) {
  check_config(config);
  PANAL_REQUIRE(!parameters.empty(), "an optimizer wants at least one parameter, found none");
  PANAL_REQUIRE(is_owned.size() == parameters.size(),
                fmt::format("wanted one flag for each of {} parameters, found {}",
                            parameters.size(), is_owned.size()));
  std::vector<bool> was_used(config.assignments.size());
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const NamedTensor& parameter = parameters[i];
    check_parameter(parameter, parameters.front().value.device());
    const auto line =
        std::ranges::find_if(config.assignments, [&](const recipe::Assignment& candidate) {
          return parameter.name.find(candidate.match) != std::string::npos;
        });
    recipe::OptimizerConfig own = config;
    if (line != config.assignments.end()) {
      was_used[static_cast<std::size_t>(line - config.assignments.begin())] = true;
      own = with_assignment(config, *line);
    } else if (!is_hidden_matrix(parameter)) {
      own.rule = recipe::Rule::kAdamW;
    }
    if (!is_owned[i]) continue;
    detail::Target target{parameter.name, {parameter.value.detach()}};
    if (parameter.value.scalar_type() == at::kBFloat16) {
      target.exact.remainder =
          at::zeros(parameter.value.sizes(), target.exact.value.options().dtype(at::kShort));
    }
    auto rule = detail::make_rule(own, target);
    Slot slot{parameter, std::move(target), std::move(rule)};
    if (config.has_states_on_host) slot.away.emplace(movable(slot.states()));
    slots.push_back(std::move(slot));
  }
  for (std::size_t i = 0; i < was_used.size(); ++i) {
    PANAL_REQUIRE(was_used[i],
                  fmt::format("each line of the rules must match a parameter that no line above "
                              "it does, found none for \"{}\"",
                              config.assignments[i].match));
  }
  return std::make_unique<RuleSet>(std::move(slots));
}

}  // namespace panal::optim
