// The shape of a decoder, read from GGUF metadata or a Hugging Face config.json and checked before
// any weight is touched: what this build cannot compute exactly is refused with a sentence, never
// approximated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace panal::weights {
class GgufFile;
}

namespace panal::recipe {

enum class Architecture { kLlama, kGpt2 };

/// "llama" or "gpt2", as Hugging Face's model_type and GGUF's general.architecture spell them.
std::string_view architecture_name(Architecture architecture);

/// What stands between the matrices of the feed-forward part. kSwiglu has three matrices,
/// silu(gate)
/// * up; the others two. kUsual is the architecture's own: kSwiglu for LLaMA, kGelu for GPT-2.
/// Sources: Shazeer, "GLU Variants Improve Transformer", 2020; Hendrycks and Gimpel, "Gaussian
/// Error Linear Units", 2016 (its tanh form); So et al., "Primer", 2021 (ReLU squared).
enum class Activation { kUsual, kSwiglu, kGelu, kReluSquared };

/// "swiglu", "gelu" or "relu_squared"; "usual" for kUsual.
std::string_view activation_name(Activation activation);

/// How rotary frequencies are stretched for long contexts.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1.0;                // Linear and llama3.
  double low_frequency_factor = 1.0;  // llama3 only, and the next two.
  double high_frequency_factor = 4.0;
  std::int64_t original_context_length = 8192;
  bool operator==(const RopeScaling&) const = default;
};

/// "none", "linear" or "llama3".
std::string_view rope_scaling_name(RopeScaling::Kind kind);

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::int64_t vocabulary_size = 0;
  std::int64_t width = 0;  // Of the residual stream.
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;  // Divides heads; equals heads for GPT-2.
  std::int64_t head_width = 0;       // Even for LLaMA; width / heads for GPT-2.
  std::int64_t feed_forward_width = 0;
  std::int64_t context_length = 0;
  double rope_base = 10000.0;  // LLaMA only, as the next one.
  RopeScaling rope_scaling{};
  double norm_epsilon = 1e-5;
  bool tied_embeddings = true;  // The head is the token embedding.
  bool attention_bias = false;  // q, k and v carry a bias (Qwen2-style); always true for GPT-2.
  bool attention_output_bias = false;  // LLaMA only: o carries one too; wants attention_bias.
  /// LLaMA only: RMSNorm over each head of q and k before the rotation, as Qwen3 has it. Source:
  /// Henry et al., "Query-Key Normalization for Transformers", 2020.
  bool qk_norm = false;
  Activation activation = Activation::kUsual;
  /// Over 0: final logits become cap * tanh(logits / cap). Source: "Gemma 2", 2024, section 2.
  double logit_soft_cap = 0.0;
  std::optional<std::int64_t> bos_id{};
  std::optional<std::int64_t> eos_id{};
  bool operator==(const ModelConfig&) const = default;

  /// kUsual resolved: never kUsual.
  Activation actual_activation() const;
  /// True when the feed-forward part has a gate beside its two matrices.
  bool is_gated() const { return actual_activation() == Activation::kSwiglu; }
  /// Elements of all parameters together, counting a tied head once.
  std::int64_t num_parameters() const;
  /// Elements of all matrices that tokens are multiplied with, the head among them: the N below.
  std::int64_t num_matrix_parameters() const;
  /// FLOPs of one training token: 6 N + 12 L H Q T, N = matrix weights with the head, T =
  /// `context`. Source: Chowdhery et al., "PaLM", 2022, appendix B.
  double training_flops_per_token(std::int64_t context) const;
};

/// 4 * width with two matrices. A gated layer (kUsual is LLaMA's) is kept as large by 8/3 instead
/// of 4, rounded up to a multiple of 64.
std::int64_t usual_feed_forward_width(Architecture architecture, std::int64_t width,
                                      Activation activation = Activation::kUsual);

/// A decoder of the given architecture, layers, width, heads, vocabulary and context, with the rest
/// as usual: every head with keys and values of its own, width / heads wide (`heads` at least 1),
/// the usual feed-forward width, and biases where GPT-2 has them.
ModelConfig with_usual_shape(ModelConfig model);

/// The first contradiction in a config (dimensions that do not divide, zero or absurd sizes), in
/// one sentence.
Status validate(const ModelConfig& config);

/// From a config.json. model_type llama, mistral (without a sliding window shorter than the
/// context), qwen2, qwen3, gpt2, and panal_llama and panal_gpt2 (docs/formats.md). Errors:
/// kInvalidArgument for a missing or impossible value, kUnsupported for an architecture, activation
/// or rope scaling that would be computed wrongly.
Result<ModelConfig> config_from_hugging_face(const Json& json, std::string_view where);
/// From GGUF metadata; general.architecture llama, qwen2, qwen3 or gpt2; vocabulary, tied
/// head and Qwen3's biases are told by the tensors. Errors as
/// above.
Result<ModelConfig> config_from_gguf(const weights::GgufFile& file);
/// A config.json that transformers reads; model_type panal_llama or panal_gpt2 where no class of
/// transformers computes the same (docs/formats.md). `data_type` is "float32" or "bfloat16".
Json config_to_hugging_face(const ModelConfig& config, std::string_view data_type);

/// From a model folder (config.json or one *.gguf) or a *.gguf file, without reading weights.
/// Torch-free and fast.
Result<ModelConfig> load_model_config(const std::string& folder_or_file);

}  // namespace panal::recipe
