// The rules make_optimizer chooses from, each in its own .cc file. One rule object per parameter:
// temporaries are then the size of one matrix. Parameters come checked: contiguous,
// in one place, float32 or bfloat16 with its remainder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "optim/optimizer.h"
#include "tensor/named_tensor.h"
#include "tensor/update.h"

namespace panal::optim::detail {

/// A parameter as rules see it; copies share storage.
struct Target {
  std::string name;
  tensor::ExactParameter exact;
};

/// Where last passes of updates may be left, to be made together.
struct Waiting {
  std::vector<tensor::AdamWUpdate> adamw{};
  std::vector<tensor::ChangeUpdate> changes{};

  void make() {
    tensor::adamw_steps(adamw);
    tensor::change_steps(changes);
    adamw.clear();
    changes.clear();
  }
};

struct Now {
  double factor = 1;           // Of the learning rate.
  double gradient_scale = 1;   // Of the gradient.
  std::int64_t step = 1;       // Of this update, counted from 1.
  Waiting* waiting = nullptr;  // Null: updates are made at once.
};

/// How far a parameter is ahead of the weights it stands for: by extrapolation * direction.
struct Lead {
  at::Tensor direction;  // Undefined: not at all.
  double extrapolation = 0;
};

class OrthogonalRule;  // orthogonal_rule.h

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  virtual void update(const at::Tensor& gradient, const Now& now) = 0;
  virtual void append_state(std::vector<tensor::NamedTensor>& all) const = 0;
  virtual Lead lead() const { return {}; }
  /// This rule where it makes matrices orthogonal, else null.
  virtual OrthogonalRule* orthogonal() { return nullptr; }
};

/// The rule that config.rule names, for one parameter. Throws Error for one that it does not suit.
std::unique_ptr<UpdateRule> make_rule(const recipe::OptimizerConfig& config, const Target& target);

// What make_rule() chooses from.
std::unique_ptr<UpdateRule> make_adamw(const recipe::OptimizerConfig& config, const Target& target);
std::unique_ptr<UpdateRule> make_muon(const recipe::OptimizerConfig& config, const Target& target);
std::unique_ptr<UpdateRule> make_normuon(const recipe::OptimizerConfig& config,
                                         const Target& target);
std::unique_ptr<UpdateRule> make_scion(const recipe::OptimizerConfig& config, const Target& target);
std::unique_ptr<UpdateRule> make_transported_scion(const recipe::OptimizerConfig& config,
                                                   const Target& target);
/// On top of another rule of the same target.
std::unique_ptr<UpdateRule> make_ema_nesterov(const recipe::EmaNesterovConfig& config,
                                              tensor::Precision state, Target target,
                                              std::unique_ptr<UpdateRule> rule);

/// Zeros for a momentum of the target.
at::Tensor make_momentum(const Target& target, tensor::Precision state);

/// The gradient of a parameter, checked to fit it; undefined when there is none.
at::Tensor checked_gradient(const tensor::NamedTensor& parameter);

}  // namespace panal::optim::detail
