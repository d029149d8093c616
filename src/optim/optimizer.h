// Update rules behind one door. make_optimizer gives every parameter the rule that suits it; a
// training loop only says step(). All state lives in named tensors made at construction, so a
// checkpoint is a list of tensors and one step count, and resuming is copying them back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "recipe/optimizer.h"

namespace panal::tensor {
struct NamedTensor;  // tensor/named_tensor.h
}

namespace panal::optim {

/// Changes parameters by their gradients. One thread drives it; the work inside is spread over the
/// compute pool. Equal inputs, state and thread count give equal bits.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update of every parameter that has a gradient, with each rule's learning rate times
  /// `factor` (0 or more; from recipe/schedule.h). Gradients stay as they are and count times
  /// `gradient_scale` (clip_scale). Throws Error for a gradient of another shape, or neither of its
  /// parameter's type nor float32.
  virtual void step(double factor, double gradient_scale) = 0;
  void step(double factor) { step(factor, 1.0); }
  /// Updates made so far; part of the state (bias correction needs it).
  virtual std::int64_t num_steps() const = 0;
  virtual void set_num_steps(std::int64_t num_steps) = 0;
  /// Handles of all state tensors where they live, named "<rule>.<what>/<parameter>" and, for the
  /// low bits of bfloat16 matrices, "remainder/<parameter>" (tensor/update.h): write them to save,
  /// copy into them to load. To be saved beside the parameters as training has them, not at the
  /// evaluation point.
  virtual std::vector<tensor::NamedTensor> state() const = 0;

  /// Rules that take gradients ahead of their weights keep the parameters there while training.
  /// Puts the weights themselves into the parameters: what is evaluated, exported and served.
  /// True when this changed anything. Costs a copy of the extrapolated parameters until
  /// show_training_point(), which puts them back bit for bit. step() refuses in between.
  virtual bool show_evaluation_point() = 0;
  virtual void show_training_point() = 0;
};

/// recipe::is_hidden_matrix() of the tensor.
bool is_hidden_matrix(const tensor::NamedTensor& parameter);

/// Keeps handles of the parameters: contiguous leaves in one place, float32 or, matrices only,
/// bfloat16 (which starts as its own exact value). Throws Error for settings out of range, no
/// parameters, a rule that does not suit the parameter its line names, a line of the table that
/// matches nothing, or a parameter of another type or place. Memory a parameter: AdamW 8 bytes (6
/// with bf16 states), Muon, NorMuon and Scion 4 (2), Transported Scion 6 (4), EMA-Nesterov 4 (2)
/// more; 2 more beside bfloat16 weights; with states on the host only those of two parameters.
/// Temporaries: some copies of the largest matrix, on a device of several (orthogonal_rule.h).
std::unique_ptr<Optimizer> make_optimizer(const recipe::OptimizerConfig& config,
                                          std::span<const tensor::NamedTensor> parameters);
/// The same for the parameters alone whose flag is set (one each): a process's share of a model.
/// The table of rules is still that of all parameters.
std::unique_ptr<Optimizer> make_optimizer_of(const recipe::OptimizerConfig& config,
                                             std::span<const tensor::NamedTensor> parameters,
                                             const std::vector<bool>& is_owned);

/// The 2-norm of all gradients together (NaN or infinity when any element is). Parameters without
/// one count as 0. One pass over memory.
double gradient_norm(std::span<const tensor::NamedTensor> parameters);
/// What gradients are to be multiplied by so that their norm is at most max_norm: 1 when it is
/// (and for max_norm 0: no clipping). `norm` is from gradient_norm, finite.
double clip_scale(double norm, double max_norm);

}  // namespace panal::optim
