#include "recipe/model_config.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>

#include "recipe/model_cost.h"
#include "store/file_system.h"
#include "store/git_lfs.h"
#include "weights/weight_source.h"

namespace panal::recipe {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 4096;
// Tables of rotary positions are as long as the context: a million is 512 MB of them at most.
constexpr std::int64_t kMaxContext = std::int64_t{1} << 20;

Status wrong(std::string_view what) {
  return Status(Code::kInvalidArgument, "model config: " + std::string(what));
}

Status check_range(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return Status();
  return wrong(fmt::format("{} must be {} to {}, found {}", name, low, high, value));
}

Status validate_rope(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  if (!(config.rope_base > 1.0 && config.rope_base < 1e12)) {
    return wrong(fmt::format("rope base must be over 1, found {}", config.rope_base));
  }
  if (config.head_width % 2 != 0) {
    return wrong(
        fmt::format("head width must be even for rotary positions, found {}", config.head_width));
  }
  if (scaling.kind == RopeScaling::Kind::kNone) return Status();
  if (!(scaling.factor >= 1.0 && scaling.factor <= 1e6)) {
    return wrong(fmt::format("rope scaling factor must be 1 to 1e6, found {}", scaling.factor));
  }
  if (scaling.kind == RopeScaling::Kind::kLlama3) {
    if (!(scaling.low_frequency_factor > 0 &&
          scaling.high_frequency_factor > scaling.low_frequency_factor &&
          scaling.high_frequency_factor < 1e6)) {
      return wrong(
          fmt::format("llama3 rope scaling wants 0 < low_freq_factor < high_freq_factor, "
                      "found {} and {}",
                      scaling.low_frequency_factor, scaling.high_frequency_factor));
    }
    PANAL_TRY(check_range("original_max_position_embeddings", scaling.original_context_length, 1,
                          kMaxContext));
  }
  return Status();
}

}  // namespace

std::string_view architecture_name(Architecture architecture) {
  return architecture == Architecture::kLlama ? "llama" : "gpt2";
}

std::string_view rope_scaling_name(RopeScaling::Kind kind) {
  if (kind == RopeScaling::Kind::kLinear) return "linear";
  return kind == RopeScaling::Kind::kLlama3 ? "llama3" : "none";
}

std::string_view activation_name(Activation activation) {
  switch (activation) {
    case Activation::kUsual:
      return "usual";
    case Activation::kSwiglu:
      return "swiglu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kReluSquared:
      return "relu_squared";
  }
  return "unknown";
}

Activation ModelConfig::actual_activation() const {
  if (activation != Activation::kUsual) return activation;
  return architecture == Architecture::kLlama ? Activation::kSwiglu : Activation::kGelu;
}

std::int64_t ModelConfig::num_parameters() const {
  const std::int64_t queries = heads * head_width, keys = key_value_heads * head_width;
  const std::int64_t embedding = vocabulary_size * width;
  if (architecture == Architecture::kGpt2) {
    const std::int64_t layer = width * 3 * width + 3 * width + width * width + width +
                               2 * width * feed_forward_width + feed_forward_width + width +
                               4 * width;
    return embedding * (tied_embeddings ? 1 : 2) + context_length * width + layers * layer +
           2 * width;
  }
  const std::int64_t bias =
      (attention_bias ? queries + 2 * keys : 0) + (attention_output_bias ? width : 0);
  const std::int64_t norms = 2 * width + (qk_norm ? 2 * head_width : 0);
  const std::int64_t layer = width * (queries + 2 * keys) + queries * width + bias +
                             (is_gated() ? 3 : 2) * width * feed_forward_width + norms;
  return embedding * (tied_embeddings ? 1 : 2) + layers * layer + width;
}

std::int64_t ModelConfig::num_matrix_parameters() const {
  const std::int64_t queries = heads * head_width, keys = key_value_heads * head_width;
  const std::int64_t layer =
      width * (2 * queries + 2 * keys) + (is_gated() ? 3 : 2) * width * feed_forward_width;
  return layers * layer + vocabulary_size * width;
}

double ModelConfig::training_flops_per_token(std::int64_t context) const {
  return model_cost(*this, context).flops_per_token();
}

std::int64_t usual_feed_forward_width(Architecture architecture, std::int64_t width,
                                      Activation activation) {
  ModelConfig model;
  model.architecture = architecture;
  model.activation = activation;
  if (!model.is_gated()) return 4 * width;
  return (width * 8 / 3 + 63) / 64 * 64;
}

ModelConfig with_usual_shape(ModelConfig model) {
  model.key_value_heads = model.heads;
  model.head_width = model.width / model.heads;
  model.feed_forward_width =
      usual_feed_forward_width(model.architecture, model.width, model.activation);
  model.attention_bias = model.architecture == Architecture::kGpt2;
  return model;
}

Status validate(const ModelConfig& config) {
  PANAL_TRY(check_range("vocabulary size", config.vocabulary_size, 1, kMaxDimension));
  PANAL_TRY(check_range("width", config.width, 1, kMaxDimension));
  PANAL_TRY(check_range("number of layers", config.layers, 1, kMaxLayers));
  PANAL_TRY(check_range("number of heads", config.heads, 1, 65536));
  PANAL_TRY(check_range("number of key-value heads", config.key_value_heads, 1, config.heads));
  PANAL_TRY(check_range("head width", config.head_width, 1, 65536));
  PANAL_TRY(check_range("feed-forward width", config.feed_forward_width, 1, kMaxDimension));
  PANAL_TRY(check_range("context length", config.context_length, 1, kMaxContext));
  if (config.heads % config.key_value_heads != 0) {
    return wrong(
        fmt::format("the number of heads must be a multiple of the key-value heads, found "
                    "{} and {}",
                    config.heads, config.key_value_heads));
  }
  if (!(config.norm_epsilon > 0 && config.norm_epsilon < 1)) {
    return wrong(
        fmt::format("norm epsilon must be over 0 and under 1, found {}", config.norm_epsilon));
  }
  if (config.logit_soft_cap != 0 &&
      !(config.logit_soft_cap >= 1.0 && config.logit_soft_cap <= 1e6)) {
    return wrong(fmt::format("the logit soft-cap must be 0 (none) or 1 to 1e6, found {}",
                             config.logit_soft_cap));
  }
  if (config.attention_output_bias && !config.attention_bias) {
    return wrong("a bias of the attention's output wants biases of q, k and v too");
  }
  if (config.architecture == Architecture::kLlama) return validate_rope(config);
  if (config.qk_norm || config.attention_output_bias) {
    return wrong("QK-norm and attention_output_bias are for LLaMA; GPT-2 has neither");
  }
  if (config.is_gated()) return wrong("GPT-2's activation must be gelu or relu_squared");
  if (config.key_value_heads != config.heads || config.heads * config.head_width != config.width) {
    return wrong(fmt::format("GPT-2's width must be a multiple of its heads, found {} and {}",
                             config.width, config.heads));
  }
  return Status();
}

Result<ModelConfig> load_model_config(const std::string& folder_or_file) {
  const std::filesystem::path path(folder_or_file);
  std::error_code ignored;
  const std::filesystem::path json_path = path / "config.json";
  if (std::filesystem::is_directory(path, ignored) && std::filesystem::exists(json_path, ignored)) {
    PANAL_ASSIGN(const std::string text, store::read_file(json_path, 16 << 20));
    PANAL_TRY(store::refuse_lfs_pointer(text, json_path));
    PANAL_ASSIGN(const Json json, parse_json(text, json_path.string()));
    return config_from_hugging_face(json, json_path.string());
  }
  PANAL_ASSIGN(const weights::WeightSource source, weights::open_weights(path));
  if (source.gguf() == nullptr) {
    return Status(
        Code::kNotFound,
        fmt::format("{}: wanted a config.json next to the weights, found none", path.string()));
  }
  return config_from_gguf(*source.gguf());
}

}  // namespace panal::recipe
