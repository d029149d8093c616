#include "optim/detail/orthogonal_rule.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "optim/detail/newton_schulz.h"
#include "tensor/step_sizes.h"

namespace panal::optim::detail {
namespace {

// What matrices must have in common to be made orthogonal at once.
auto kind_of(const OrthogonalRule& rule) {
  const at::Tensor& value = rule.target().exact.value;
  const recipe::MuonConfig& config = rule.newton_schulz();
  return std::tuple(value.size(0), value.size(1), is_stored_transposed(rule.target().name),
                    num_blocks(rule.target().name, config), config.newton_schulz_steps,
                    config.precision, config.orthogonalization);
}

// Updates of one kind.
void update_at_once(std::span<const OrthogonalUpdate> updates, const Now& now) {
  const OrthogonalRule& first = *updates.front().rule;
  const at::Tensor& value = first.target().exact.value;
  const at::Tensor directions = at::empty({std::ssize(updates), value.size(0), value.size(1)},
                                          value.options().dtype(at::kFloat).requires_grad(false));
  std::vector<tensor::MomentumUpdate> momenta;
  for (const OrthogonalUpdate& update : updates) {
    momenta.push_back(update.rule->momentum_update(update.gradient, now));
    momenta.back().direction = directions[std::ssize(momenta) - 1];
  }
  tensor::momentum_steps(momenta);
  const at::Tensor orthogonal = orthogonalize_blocks(
      outputs_first(first.target().name, directions),
      num_blocks(first.target().name, first.newton_schulz()), first.newton_schulz());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    updates[i].rule->follow(orthogonal[static_cast<std::int64_t>(i)], now);
  }
  if (now.waiting != nullptr) now.waiting->make();
}

}  // namespace

void OrthogonalRule::update(const at::Tensor& gradient, const Now& now) {
  const OrthogonalUpdate update{this, gradient};
  update_at_once({&update, 1}, now);
}

at::Tensor made_direction(tensor::MomentumUpdate update) {
  update.direction =
      at::empty(update.momentum.sizes(), update.momentum.options().dtype(at::kFloat));
  tensor::momentum_steps({&update, 1});
  return update.direction;
}

void change(const Target& target, const at::Tensor& along, const tensor::ChangeStep& step,
            const Now& now) {
  tensor::ChangeUpdate update{
      .parameter = target.exact, .change = outputs_first(target.name, along), .step = step};
  if (now.waiting != nullptr) {
    now.waiting->changes.push_back(std::move(update));
  } else {
    tensor::change_steps({&update, 1});
  }
}

void update_orthogonal(std::span<const OrthogonalUpdate> updates, const Now& now) {
  std::map<decltype(kind_of(*updates.front().rule)), std::vector<OrthogonalUpdate>> kinds;
  for (const OrthogonalUpdate& update : updates) kinds[kind_of(*update.rule)].push_back(update);
  for (const auto& [kind, members] : kinds) {
    const std::int64_t elements = members.front().rule->target().exact.value.numel();
    const auto most =
        static_cast<std::size_t>(std::max(std::int64_t{1}, tensor::kElementsTogether / elements));
    const std::span<const OrthogonalUpdate> all = members;
    for (std::size_t begin = 0; begin < all.size(); begin += most) {
      update_at_once(all.subspan(begin, std::min(most, all.size() - begin)), now);
    }
  }
}

}  // namespace panal::optim::detail
