// The update rules and their settings, as far as they are numbers: what a run file says, what a
// plan counts and what a contest tunes. The rules themselves are in optim.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "recipe/optimizer_rule.h"
#include "tensor/precision.h"

namespace panal::recipe {

/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019. Equals torch.optim.AdamW.
///
///     m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2
///     w <- w (1 - rate decay) - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
///
/// The learning rate is about the change of every single weight per step.
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

/// The polynomials of the Newton-Schulz iteration (optim/detail/newton_schulz.h).
enum class Orthogonalization {
  kOriginal,      // Jordan 2024: one steep quintic; singular values end in 0.7 to 1.2.
  kPolarExpress,  // Amsel et al. 2025: best per step; up to 5 steps a short list, else a long one.
  kExact,         // (2, -1.5, 0.5): slow and exact, 12 steps for tests and references.
};

/// Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Equals
/// torch.optim.Muon (kBFloat16) within rounding.
///
///     m <- lerp(m, g, 1 - momentum),  u = nesterov ? lerp(g, m, momentum) : m
///     w <- w (1 - rate decay) - rate scale orthogonalized(u)
///
/// The learning rate is the spectral norm of a square matrix's change (kOriginal), or about the
/// change of every single weight divided by 0.2 (kMatchAdamW).
///
/// kNorMuon is Li et al., "NorMuon: Making Muon more efficient and scalable", 2025: each row of
/// the orthogonal matrix is divided by the root of a running mean of its squares, then the whole
/// is brought back to the norm it had (kOriginal) or to 0.2 sqrt(rows columns) (kMatchAdamW).
struct MuonConfig {
  double learning_rate = 0.02;
  double momentum = 0.95;  // [0, 1).
  bool nesterov = true;
  int newton_schulz_steps = 5;  // 1 to 20.
  double weight_decay = 0.1;
  MuonScale scale = MuonScale::kOriginal;
  tensor::Precision precision = tensor::Precision::kFloat32;  // Of Newton-Schulz.
  Orthogonalization orthogonalization = Orthogonalization::kOriginal;
  /// Decay only the weights that the update does not pull away from zero (NorMuon's speed-run
  /// form of Chen et al., "Cautious Weight Decay", 2025).
  bool has_cautious_decay = false;
  /// GPT-2's c_attn holds Q, K and V in one matrix: orthogonalize the three one by one.
  bool splits_fused_attention = true;
  double row_beta = 0.95;  // kNorMuon: of the running mean; [0, 1).
};

/// Which ball the update of Scion is the furthest point of, for a matrix [outputs, inputs].
enum class Norm {
  kAuto,      // kSpectral for matrices, kBiasRms for vectors.
  kSpectral,  // sqrt(outputs / inputs) U V^T
  kSign,      // sign(g) / inputs: heads
  kColumn,    // each column divided by its root mean square: embeddings stored transposed
  kRow,       // each row divided by its 2-norm times sqrt(inputs)
  kBiasRms,   // all divided by their root mean square
};
/// "auto", "spectral", "sign", "column", "row" or "bias_rms".
std::string_view norm_name(Norm norm);
Result<Norm> norm_from_name(std::string_view name);
std::span<const std::string_view> norm_names();  // In their order.

/// Pethick et al., "Training Deep Learning Models with Norm-Constrained LMOs", 2025.
///
///     m <- lerp(m, g, 1 - momentum),  w <- w (1 - rate) - rate radius lmo(m)
///
/// lmo points uphill here. Weights stay within `radius` in the norm of their ball; the learning
/// rate is the share of the way to its border. Unconstrained: without the factor 1 - rate.
/// Newton-Schulz is MuonConfig's.
struct ScionConfig {
  double learning_rate = 1.0 / 4096;
  double momentum = 0.9;           // [0, 1).
  std::optional<double> radius{};  // Over 0; the paper's: 3,000 for kSign, 50 for other norms.
  Norm norm = Norm::kAuto;
  bool is_constrained = true;
};

/// Zhang and Lin, "Scale-Invariant Neural Network Optimization: Norm Geometry and Heavy-Tailed
/// Noise", 2026, Transported Scion: the gradient is taken ahead of the weights,
///
///     Y = w + extrapolation (w - w_before),  g at Y,  m <- lerp(m, g, 1 - momentum)
///     w <- w (1 - rate decay) - rate lmo(m)
///
/// We differ: the paper's extrapolation momentum / (1 - momentum) is a knob that grows linearly
/// over its warm-up and falls with the learning rate; the live weights are Y and one bfloat16
/// buffer holds w - w_before. Newton-Schulz is MuonConfig's; the learning rate as Muon's.
struct TransportedScionConfig {
  double learning_rate = 0.02;
  double momentum = 0.95;  // [0, 1).
  bool nesterov = false;   // The paper's rule has none; MuonConfig's form where wanted.
  double weight_decay = 0.1;
  Norm norm = Norm::kAuto;
  double extrapolation = 1.0;                     // 0 to 100 steps; 0 is Scion.
  std::int64_t extrapolation_warmup_steps = 100;  // 0 or more.
};

/// "EMA-Nesterov" (arXiv 2605.25395): any rule A taken at a point ahead along an average of past
/// movements,
///
///     Y = w + b m,  w' = A(Y),  m <- lerp(m, w' - w, 1 - keep)
///
/// with b = extrapolation times the schedule's factor from begin_step on. The live weights are Y.
struct EmaNesterovConfig {
  double extrapolation = 0.0;   // 0: off; up to 100. The paper's value is 0.6.
  double keep = 0.99;           // [0, 1).
  std::int64_t begin_step = 0;  // The paper waits for 500.
};

/// A line of the table that says which parameter gets which rule. What is not given is the rule's.
struct Assignment {
  std::string match{};  // Part of the parameter's name; the first line that matches counts.
  Rule rule = Rule::kAdamW;
  std::optional<double> learning_rate{};
  std::optional<double> weight_decay{};  // Not for kScion.
  std::optional<Norm> norm{};            // kScion and kTransportedScion.
  std::optional<double> radius{};        // kScion.
};

struct OptimizerConfig {
  Rule rule = Rule::kAdamW;  // Of hidden matrices; what is none gets AdamW.
  AdamWConfig adamw{};
  MuonConfig muon{};  // kMuon and kNorMuon; Newton-Schulz of all.
  ScionConfig scion{};
  TransportedScionConfig transported_scion{};
  EmaNesterovConfig ema_nesterov{};       // Not with kTransportedScion.
  std::vector<Assignment> assignments{};  // Asked first.
  /// Of momenta and first moments; AdamW's second moments stay float32.
  tensor::Precision state_precision = tensor::Precision::kFloat32;
  /// States, and the low bits of bfloat16 weights, live in the host's memory and are on the
  /// parameters' device two parameters at a time (optim/detail/state_stream.h).
  bool has_states_on_host = false;

  /// Whether any parameter can get the rule. AdamW is always there for what is no matrix.
  bool uses(Rule wanted) const;
  bool makes_orthogonal() const;  // Whether a rule in use does.
};

/// The learning rate of the rule the config names, at a schedule's factor of 1.
double main_learning_rate(const OptimizerConfig& config);

/// QK-clip (optim/qk_clip.h), beside any rule.
struct QkClipConfig {
  double threshold = 100.0;  // tau: over 0.
  double alpha = 0.5;        // Share of the queries, 0 to 1; the keys take the rest.
};

/// FLOPs of making one [rows, columns] matrix orthogonal: each Newton-Schulz step is a product
/// with itself, its square and one product with it, on the narrow side.
double orthogonalization_flops(double rows, double columns, int newton_schulz_steps);

/// True when Muon suits the parameter: a matrix that is neither an embedding nor the head.
bool is_hidden_matrix(std::string_view name, std::size_t num_dimensions);

}  // namespace panal::recipe
