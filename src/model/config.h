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

namespace panal::model {

enum class Architecture { kLlama, kGpt2 };

/// "llama" or "gpt2", as Hugging Face's model_type and GGUF's general.architecture spell them.
std::string_view architecture_name(Architecture architecture);

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
  RopeScaling rope_scaling;
  double norm_epsilon = 1e-5;
  bool tied_embeddings = true;  // The head is the token embedding.
  bool attention_bias = false;  // q, k and v carry a bias (Qwen2-style); always true for GPT-2.
  std::optional<std::int64_t> bos_id;
  std::optional<std::int64_t> eos_id;
  bool operator==(const ModelConfig&) const = default;

  /// Elements of all parameters together, counting a tied head once.
  std::int64_t num_parameters() const;
  /// FLOPs of one training token: 6 N + 12 L H Q T, N = matrix weights with the head, T =
  /// `context`. Source: Chowdhery et al., "PaLM", 2022, appendix B.
  double training_flops_per_token(std::int64_t context) const;
};

/// 4 * width for GPT-2. LLaMA keeps its gated layer as large by 8/3 instead of 4, rounded up to a
/// multiple of 64.
std::int64_t usual_feed_forward_width(Architecture architecture, std::int64_t width);

/// The first contradiction in a config (dimensions that do not divide, zero or absurd sizes), in
/// one sentence.
Status validate(const ModelConfig& config);

/// From a config.json. model_type llama, mistral (without a sliding window shorter than the
/// context), qwen2 and gpt2. Errors: kInvalidArgument for a missing or impossible value,
/// kUnsupported for an architecture, activation or rope scaling that would be computed wrongly.
Result<ModelConfig> config_from_hugging_face(const Json& json, std::string_view where);
/// From GGUF metadata; vocabulary, tied head and attention bias are told by the tensors. Errors as
/// above.
Result<ModelConfig> config_from_gguf(const weights::GgufFile& file);
/// A config.json that transformers reads. `data_type` is "float32" or "bfloat16".
Json config_to_hugging_face(const ModelConfig& config, std::string_view data_type);

/// From a model folder (config.json or one *.gguf) or a *.gguf file, without reading weights.
/// Torch-free and fast.
Result<ModelConfig> load_model_config(const std::string& folder_or_file);

}  // namespace panal::model
