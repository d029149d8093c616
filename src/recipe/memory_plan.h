// How much memory a training step takes, before it is taken: the tensors of the step one by one, at
// the moment when most of them live. Arithmetic over the same shapes the code makes; a test runs
// real steps under a counting allocator and holds it to 5 %.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/model_config.h"
#include "recipe/optimizer.h"
#include "recipe/recompute.h"
#include "tensor/precision.h"

namespace panal::recipe {

enum class MemoryKind { kWeights, kGradients, kStates, kActivations, kLogits, kBuffers };
/// "weights", "gradients", "states", "activations", "logits" or "buffers".
std::string_view memory_kind_name(MemoryKind kind);
inline constexpr int kNumMemoryKinds = 6;

/// LoRA over a frozen core.
struct AdapterShape {
  std::int64_t rank = 8;               // 1 to the shorter side of every matrix under it.
  std::vector<std::string> targets{};  // Names of linear layers, as in a run file; empty: all.
};

/// What decides how much memory a step takes.
struct StepShape {
  ModelConfig model{};  // With its vocabulary_size.
  OptimizerConfig optimizer{};
  tensor::Precision precision = tensor::Precision::kFloat32;
  tensor::Precision weights = tensor::Precision::kFloat32;  // Of matrices, and of their gradients.
  Recompute recompute = Recompute::kNone;
  bool copies_state = false;  // For checkpoints: weights and states once more.
  /// Optimizer states are elsewhere and come parameter by parameter, two at a time.
  bool streams_states = false;
  bool is_on_gpu = false;      // The head works in larger chunks there.
  int processes = 1;           // That share each pass and the states, by whole tensors.
  std::int64_t sequences = 1;  // Of one pass forward and backward, of all processes.
  std::int64_t context = 1;    // 1 to model.context_length.
  bool accumulates = false;    // Over several passes: gradients live through all of them.
  /// Then the model is a frozen core in float32, with rounded copies where precision is bf16, and
  /// nothing but the adapters trains; `weights` stays kFloat32.
  std::optional<AdapterShape> adapter{};
};

/// Bytes of what `rule` holds for one trained element, without the low bits of a bfloat16 weight.
double optimizer_state_bytes(const OptimizerConfig& config, Rule rule);
/// Numbers of logits that are there at a time, one row of them at least.
double logits_per_chunk(const StepShape& shape);

struct MemoryItem {
  MemoryKind kind = MemoryKind::kBuffers;
  std::string name;  // "layer.attention.q", with "x 12" where layers are alike.
  double bytes = 0;
};

struct MemoryPlan {
  /// When the most is held: "head", "backward", "update"; with several processes also "exchange",
  /// before gradients of others' tensors go, and, in the first one, "checkpoint".
  std::string moment;
  std::vector<MemoryItem> items;  // What is held then.
  double bytes() const;
  double bytes(MemoryKind kind) const;
};

/// The peak of a training step of a decoder whose parameters all train, or whose adapters do, in
/// process `rank` of shape.processes. The first one makes checkpoints, for which it has everybody's
/// states too (of GPUs in the host's memory, which is not counted). Throws Error for an invalid
/// model or adapter, or more processes than sequences or tensors.
MemoryPlan plan_memory(const StepShape& shape, int rank = 0);

}  // namespace panal::recipe
