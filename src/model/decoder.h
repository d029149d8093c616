// A decoder-only transformer (LLaMA or GPT-2) for training and evaluation: functions over tensors
// with Hugging Face names on one device, float32, or bfloat16 where its matrices are kept so.
// Serving with a key-value cache is torch_token_model.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "recipe/model_config.h"
#include "recipe/recompute.h"
#include "tensor/precision.h"

namespace at {
class Tensor;
}
namespace c10 {
struct Device;
}
namespace panal::tensor {
struct NamedTensor;  // tensor/named_tensor.h
}

namespace panal::model {

/// Low-rank adapters over a frozen core: y = x W^T + alpha / rank * (x A^T) B^T.
/// Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021. Start as PEFT: A
/// Kaiming-uniform, B 0.
struct LoraConfig {
  std::int64_t rank = 8;  // 1 to the smaller side of every target.
  double alpha = 16.0;
  /// Names of linear layers without their path: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj,
  /// down_proj for LLaMA; c_attn, attn.c_proj, c_fc, mlp.c_proj for GPT-2 (a bare "c_proj" means
  /// both). Empty: all of them.
  std::vector<std::string> targets;
  /// What adapter_config.json says about the core.
  std::string base_model_name;
  /// Adapters that others trained may divide by the root of the rank instead. Source:
  /// Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA", 2023.
  bool is_rank_stabilized = false;

  /// What the adapter's output is multiplied with.
  double scale() const;
};

/// Not thread-safe. Throws Error for a caller's mistake, as torch does; loading and saving return a
/// Status.
class Decoder {
 public:
  /// A fresh model as pre-training starts it: normal(0, 0.02), projections into the residual stream
  /// divided by sqrt(2 layers) (Radford et al., "Language Models are Unsupervised Multitask
  /// Learners", 2019), norms 1, biases 0. Equal seeds give equal weights. Throws Error when
  /// `config` is not valid.
  ///
  /// weights  The type of the matrices, embeddings and head among them. kBFloat16: rounded one by
  ///          one as they are made; products of training read them as they are, their gradients are
  ///          bfloat16, rounded once per pass, and evaluation widens one matrix at a time. Vectors
  ///          are float32.
  static Decoder random(const recipe::ModelConfig& config, std::uint64_t seed,
                        tensor::Precision weights = tensor::Precision::kFloat32);

  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  const recipe::ModelConfig& config() const;
  /// Where its tensors lie. Inputs of all functions may lie on the CPU anyhow; results are where it
  /// says.
  c10::Device device() const;
  /// Right after it was made, before an adapter and before anything took handles of its tensors.
  void move_to(const c10::Device& device);

  /// Logits [B, T, vocabulary] float32 on its device for tokens [B, T] int64;
  /// 1 <= T <= context_length.
  at::Tensor forward(const at::Tensor& tokens) const;
  /// Mean cross entropy (a scalar with a gradient) over the targets that are not -100; tokens and
  /// targets [B, T] int64, targets already shifted. The head runs in chunks and is recomputed in
  /// the backward pass, so that logits [B T, vocabulary] never exist whole. Throws Error when no
  /// target is scored.
  /// first_keys [B, T] int32 keeps documents packed into one row apart: token t attends to tokens
  /// first_keys[t] to t of its row, and learnt positions count from first_keys[t]; by default all
  /// earlier tokens are seen. Throws Error for a first key outside 0 to t.
  at::Tensor loss(const at::Tensor& tokens, const at::Tensor& targets,
                  const at::Tensor& first_keys) const;
  at::Tensor loss(const at::Tensor& tokens, const at::Tensor& targets) const;
  /// For each layer and query head the largest log-sum-exp of the attention's scores in the last
  /// forward pass: an upper bound of the largest score, at most log(T) above it. Empty before one.
  std::vector<std::vector<float>> attention_maxima() const;
  /// Cross entropy per target [B, T] float32 on the CPU without a gradient; 0 where the target is
  /// -100. For evaluation.
  at::Tensor token_losses(const at::Tensor& tokens, const at::Tensor& targets) const;
  /// Cross entropy [N] float32 on the CPU of targets[i] as the token after position positions[i],
  /// counted row by row in tokens [B, T] int64 on the CPU; a position may come more than once. The
  /// head runs at these alone; what rows have in common at their beginning is computed once, and
  /// what no position sees (padding) only in the attention. Without a gradient. Throws Error when
  /// the lists differ in length or a position is outside.
  at::Tensor losses_at(const at::Tensor& tokens, std::span<const std::int64_t> positions,
                       std::span<const std::int64_t> targets) const;

  /// What the products of loss() and its gradients are computed in; evaluation stays float32.
  /// kBFloat16 keeps a rounded copy of every float32 matrix (2 bytes a weight); the weights, their
  /// gradients and the residual stream keep their types. Right after construction: kFloat32. Throws
  /// Error for kFloat32 over bfloat16 matrices.
  void set_training_precision(tensor::Precision precision);
  /// What loss() keeps for the backward pass. The weights may not change in between.
  void set_recompute(recipe::Recompute recompute);
  /// To be called when the core's weights have changed since the last loss(): brings the rounded
  /// copies of trainable ones up to date.
  void weights_changed();

  /// Every tensor of the core by its Hugging Face name, in file order. A tied head is not listed.
  std::vector<tensor::NamedTensor> parameters() const;
  /// What training changes: the adapter's A and B when there is one (PEFT names), else the core's
  /// parameters.
  std::vector<tensor::NamedTensor> trainable_parameters() const;
  /// How many numbers these are together.
  std::int64_t num_trainable_parameters() const;

  /// Freezes the core (no gradient of a core weight is ever computed) and puts a fresh adapter over
  /// it. Throws Error for an unknown target or impossible rank, or when there is an adapter
  /// already.
  void add_lora(const LoraConfig& lora, std::uint64_t seed);
  /// The adapter's config; nothing when there is none.
  const std::optional<LoraConfig>& lora() const;
  /// Takes the adapter off; the core stays frozen until set_core_trainable(true).
  void remove_lora();
  /// Turns gradients of the core on or off. A decoder starts trainable when random, frozen when
  /// loaded.
  void set_core_trainable(bool trainable);

  /// Puts the adapter of a PEFT folder (adapter_config.json, adapter_model.safetensors) over the
  /// core, in place of one that is there. Errors: kNotFound, kCorrupt, kInvalidArgument (a tensor
  /// missing, unknown, or of another shape), kUnsupported (bias, DoRA, rank patterns, other PEFT
  /// types and whatever else a PEFT folder may set that changes the numbers). The decoder is
  /// unchanged on an error.
  Status load_adapter(const std::filesystem::path& folder);
  /// Writes the adapter as a PEFT folder. Throws Error when there is none.
  Status save_adapter(const std::filesystem::path& folder) const;

  enum class SaveType { kAsKept, kFloat32, kBFloat16 };
  /// Writes config.json, generation_config.json and model.safetensors, which transformers loads.
  /// The tokenizer is the caller's (tokenizer::Tokenizer::save). The adapter is not merged. kAsKept
  /// writes every tensor in its own type, without a copy; the config then says bfloat16 when the
  /// matrices are.
  Status save_hugging_face(const std::filesystem::path& folder,
                           SaveType type = SaveType::kAsKept) const;

  struct State;

 private:
  explicit Decoder(std::unique_ptr<State> state);
  friend Result<Decoder> load_decoder(const std::filesystem::path& folder_or_file);
  std::unique_ptr<State> state_;
};

/// Loads a core: a folder with one *.gguf, a *.gguf file, or a Hugging Face folder (config.json
/// with model.safetensors, sharded or not). Weights become float32, whatever their stored type;
/// every tensor of the file must be known and of the shape the config wants, and none may be
/// missing. Errors: kNotFound, kCorrupt, kInvalidArgument, kUnsupported, each naming tensor and
/// file.
Result<Decoder> load_decoder(const std::filesystem::path& folder_or_file);

/// Names of the tensors in a core's weights that no computation uses: masks and tables that are
/// computed anew, and a head that is a copy of the embedding. Errors as load_decoder().
Result<std::vector<std::string>> unused_tensors(const std::filesystem::path& folder_or_file);

/// Writes generation_config.json of an exported core: `existing` (an object, may be empty: the
/// settings the core came with) with the ids at which an answer ends, so that transformers stops
/// where panal does.
Status save_generation_config(const std::filesystem::path& folder,
                              const recipe::ModelConfig& config, const Json& existing,
                              std::span<const std::int32_t> stop_ids);

}  // namespace panal::model
