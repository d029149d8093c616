// Rules that follow a momentum whose direction is made orthogonal first, in two halves around that,
// so that the matrices of several parameters can be made orthogonal together.
#pragma once

#include <span>
#include <utility>

#include "optim/detail/rules.h"

namespace panal::optim::detail {

class OrthogonalRule : public UpdateRule {
 public:
  struct Momentum {
    at::Tensor value{};  // make_momentum()
    double keep = 0;
    bool looks_ahead = false;  // Nesterov's form.
  };
  /// Newton-Schulz and blocks of fused matrices are that config's.
  OrthogonalRule(Target target, Momentum momentum, const recipe::MuonConfig& newton_schulz)
      : target_(std::move(target)), momentum_(std::move(momentum)), newton_schulz_(newton_schulz) {}

  void update(const at::Tensor& gradient, const Now& now) override;
  OrthogonalRule* orthogonal() override { return this; }

  /// The first half; where its direction goes is the caller's to say.
  tensor::MomentumUpdate momentum_update(const at::Tensor& gradient, const Now& now) const {
    return {.momentum = momentum_.value,
            .gradient = gradient,
            .keep = momentum_.keep,
            .gradient_scale = now.gradient_scale,
            .looks_ahead = momentum_.looks_ahead};
  }
  /// The second half. orthogonal: what became of the direction, [outputs, inputs] float32, any
  /// strides; kept as long as `now.waiting` waits.
  virtual void follow(const at::Tensor& orthogonal, const Now& now) = 0;

  const Target& target() const { return target_; }
  const recipe::MuonConfig& newton_schulz() const { return newton_schulz_; }

 protected:
  const at::Tensor& momentum() const { return momentum_.value; }

 private:
  const Target target_;
  const Momentum momentum_;
  const recipe::MuonConfig newton_schulz_;
};

/// Makes the update alone, with a direction of its own: float32 as the momentum is stored.
at::Tensor made_direction(tensor::MomentumUpdate update);

/// The weights make the step, [outputs, inputs] any strides; at once or with those that wait.
void change(const Target& target, const at::Tensor& along, const tensor::ChangeStep& step,
            const Now& now);

struct OrthogonalUpdate {
  OrthogonalRule* rule = nullptr;
  at::Tensor gradient{};
};
/// All of them: matrices of one shape, form and Newton-Schulz iteration at once, as many as have
/// tensor::kElementsTogether elements, or one. On a CUDA device a model of many layers then costs
/// hardly more launches than one of few. Equal to one update after the other but for the rounding
/// of the library's products.
void update_orthogonal(std::span<const OrthogonalUpdate> updates, const Now& now);

}  // namespace panal::optim::detail
