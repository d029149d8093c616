// Update rules behind one door. make_optimizer gives every parameter the rule that suits it; a
// training loop only says step(). All state lives in named tensors made at construction, so a
// checkpoint is a list of tensors and one step count, and resuming is copying them back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/precision.h"

namespace panal::tensor {
struct NamedTensor;  // tensor/named_tensor.h
}

namespace panal::optim {

enum class Rule { kAdamW, kMuon };

/// "adamw" or "muon".
std::string_view rule_name(Rule rule);

/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019. Equals torch.optim.AdamW.
struct AdamWConfig {
  double learning_rate = 3e-3;  // 0 or more.
  double beta1 = 0.9;           // [0, 1).
  double beta2 = 0.95;          // [0, 1).
  double epsilon = 1e-8;        // Over 0.
  double weight_decay = 0.1;    // 0 or more; matrices only: norms and biases are never decayed.
};

/// How the length of an orthogonal update depends on the shape [rows = outputs, columns = inputs].
enum class MuonScale {
  kOriginal,    // sqrt(max(1, rows / columns)): Jordan 2024.
  kMatchAdamW,  // 0.2 sqrt(max(rows, columns)), the RMS of AdamW's updates: Liu et al. 2025
                // ("Moonlight").
};

/// Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Equals
/// torch.optim.Muon (kBFloat16) within rounding.
struct MuonConfig {
  double learning_rate = 0.02;
  double momentum = 0.95;  // [0, 1).
  bool nesterov = true;
  int newton_schulz_steps = 5;  // 1 to 20.
  double weight_decay = 0.1;
  MuonScale scale = MuonScale::kOriginal;
  tensor::Precision precision = tensor::Precision::kFloat32;  // Of Newton-Schulz.
};

struct OptimizerConfig {
  Rule rule = Rule::kAdamW;
  AdamWConfig adamw{};  // Used by kMuon too, for what is no hidden matrix.
  MuonConfig muon{};
};

/// Changes parameters by their gradients. One thread drives it; the work inside is spread over the
/// compute pool. Equal inputs, state and thread count give equal bits.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update of every parameter that has a gradient, with each rule's learning rate times
  /// `factor` (0 or more; from schedule.h). Gradients stay as they are. Throws Error for a gradient
  /// of another shape or type.
  virtual void step(double factor) = 0;
  /// Updates made so far; part of the state (bias correction needs it).
  virtual std::int64_t num_steps() const = 0;
  virtual void set_num_steps(std::int64_t num_steps) = 0;
  /// Handles of all state tensors, named "<rule>.<what>/<parameter>": write them to save, copy into
  /// them to load.
  virtual std::vector<tensor::NamedTensor> state() const = 0;
};

/// True when Muon suits the parameter: a matrix that is neither an embedding nor the head.
bool is_hidden_matrix(const tensor::NamedTensor& parameter);

/// Keeps handles of the parameters (float32, contiguous, CPU). With kMuon, hidden matrices get Muon
/// and everything else AdamW. Throws Error for settings out of range, no parameters, or a parameter
/// of another type or place. Memory: AdamW 8 bytes per parameter, Muon 4.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config,
                                          std::span<const tensor::NamedTensor> parameters);

/// The 2-norm of all gradients together (NaN or infinity when any element is). Parameters without
/// one count as 0.
double gradient_norm(std::span<const tensor::NamedTensor> parameters);
/// Scales all gradients by max_norm / norm when the finite `norm` is over max_norm. `norm` is from
/// gradient_norm.
void clip_gradients(std::span<const tensor::NamedTensor> parameters, double norm, double max_norm);

}  // namespace panal::optim
