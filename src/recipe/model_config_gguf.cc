// GGUF metadata, as llama.cpp writes it. What the metadata do not say (tied head, biases, rope
// factors, the vocabulary's size in old files) the table of tensors does.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "recipe/model_config.h"
#include "weights/gguf.h"

namespace panal::recipe {
namespace {

class Metadata {
 public:
  Metadata(const weights::GgufFile& file, std::string prefix)
      : file_(file), prefix_(std::move(prefix)) {}

  const std::string& prefix() const { return prefix_; }
  Result<std::int64_t> integer(std::string_view key) const {
    return located(file_.integer(prefix_ + std::string(key)));
  }
  Result<std::int64_t> integer(std::string_view key, std::int64_t fallback) const {
    if (!file_.has(prefix_ + std::string(key))) return fallback;
    return integer(key);
  }
  Result<double> number(std::string_view key, double fallback) const {
    const std::string full = prefix_ + std::string(key);
    if (!file_.has(full)) return fallback;
    return located(file_.number(full));
  }
  Result<std::string> text(std::string_view key, std::string fallback) const {
    const std::string full = prefix_ + std::string(key);
    if (!file_.has(full)) return fallback;
    return located(file_.string(full));
  }

 private:
  template <typename T>
  Result<T> located(Result<T> result) const {
    if (result.ok()) return result;
    return result.status().with_context(file_.path().string());
  }
  const weights::GgufFile& file_;  // Outlives this reader.
  const std::string prefix_;
};

// GGUF stores float32; 1e-5 comes back as 9.9999997e-06. The shortest decimal that gives the same
// float is what was meant, and what config.json should say.
double shortest_decimal(double value) {
  return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
}

Status bounded(std::string_view name, std::int64_t value, const weights::GgufFile& file) {
  if (value >= 1 && value <= std::int64_t{1} << 24) return Status();
  return Status(Code::kInvalidArgument, fmt::format("{}: {} must be 1 to 2^24, found {}",
                                                    file.path().string(), name, value));
}

Result<std::optional<std::int64_t>> token_id(const weights::GgufFile& file, std::string_view key) {
  if (!file.has(key)) return std::optional<std::int64_t>();
  PANAL_ASSIGN(const std::int64_t id, file.integer(key));
  if (id < 0 || id >= std::int64_t{1} << 24) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(id);
}

// True when output.weight is there and is not a copy of the embedding (older converters wrote one
// for GPT-2).
Result<bool> has_free_head(const weights::GgufFile& file) {
  const weights::TensorInfo* head = file.find("output.weight");
  if (head == nullptr) return false;
  const weights::TensorInfo* embedding = file.find("token_embd.weight");
  if (embedding == nullptr || embedding->type != head->type || embedding->shape != head->shape ||
      head->type == weights::DataType::kUnknown) {
    return true;
  }
  PANAL_ASSIGN(const auto head_bytes, file.raw_bytes("output.weight"));
  PANAL_ASSIGN(const auto embedding_bytes, file.raw_bytes("token_embd.weight"));
  return !std::ranges::equal(head_bytes, embedding_bytes);
}

Result<RopeScaling> rope_scaling_from(const weights::GgufFile& file, const Metadata& metadata) {
  RopeScaling scaling;
  if (file.find("rope_freqs.weight") != nullptr) {
    return Status(
        Code::kUnsupported,
        fmt::format("{}: rope factors come as a tensor (rope_freqs.weight); wanted a model with "
                    "plain or linear rotary positions, or its Hugging Face folder",
                    file.path().string()));
  }
  // The first converters wrote one number, rope.scale_linear; 0 meant none. A factor without a type
  // is linear too, as llama.cpp reads it.
  PANAL_ASSIGN(const std::string kind, metadata.text("rope.scaling.type", "linear"));
  PANAL_ASSIGN(const double old_factor, metadata.number("rope.scale_linear", 1.0));
  PANAL_ASSIGN(const double factor, metadata.number("rope.scaling.factor", old_factor));
  if (kind == "none" || factor == 1.0 || factor == 0.0) return scaling;
  if (kind != "linear") {
    return Status(Code::kUnsupported,
                  fmt::format("{}: rope.scaling.type must be none or linear, found \"{}\"",
                              file.path().string(), kind));
  }
  scaling.kind = RopeScaling::Kind::kLinear;
  scaling.factor = shortest_decimal(factor);
  return scaling;
}

Status read_llama(const weights::GgufFile& file, const Metadata& metadata, ModelConfig& config) {
  PANAL_ASSIGN(config.key_value_heads, metadata.integer("attention.head_count_kv", config.heads));
  PANAL_ASSIGN(config.head_width,
               metadata.integer("attention.key_length", config.width / config.heads));
  PANAL_ASSIGN(const std::int64_t value_width,
               metadata.integer("attention.value_length", config.head_width));
  PANAL_ASSIGN(const std::int64_t rotated,
               metadata.integer("rope.dimension_count", config.head_width));
  if (value_width != config.head_width || rotated != config.head_width) {
    return Status(
        Code::kUnsupported,
        fmt::format(
            "{}: keys, values and rotated dimensions must be equally wide, found {}, {}, {}",
            file.path().string(), config.head_width, value_width, rotated));
  }
  PANAL_ASSIGN(const double epsilon, metadata.number("attention.layer_norm_rms_epsilon", 1e-6));
  config.norm_epsilon = shortest_decimal(epsilon);
  PANAL_ASSIGN(const double base, metadata.number("rope.freq_base", 10000.0));
  config.rope_base = shortest_decimal(base);
  PANAL_ASSIGN(config.rope_scaling, rope_scaling_from(file, metadata));
  const bool is_qwen3 = metadata.prefix() == "qwen3.";
  config.qk_norm = is_qwen3;
  config.attention_bias =
      metadata.prefix() == "qwen2." || (is_qwen3 && file.find("blk.0.attn_q.bias") != nullptr);
  config.attention_output_bias = is_qwen3 && file.find("blk.0.attn_output.bias") != nullptr;
  PANAL_ASSIGN(const std::int64_t experts, metadata.integer("expert_count", 0));
  if (experts != 0) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: a mixture of {} experts; wanted a dense model",
                              file.path().string(), experts));
  }
  return Status();
}

Status read_gpt2(const Metadata& metadata, ModelConfig& config) {
  config.key_value_heads = config.heads;
  config.head_width = config.width / config.heads;
  config.attention_bias = true;
  PANAL_ASSIGN(const double epsilon, metadata.number("attention.layer_norm_epsilon", 1e-5));
  config.norm_epsilon = shortest_decimal(epsilon);
  return Status();
}

Result<std::int64_t> vocabulary_size(const weights::GgufFile& file) {
  const weights::TensorInfo* embedding = file.find("token_embd.weight");
  if (embedding != nullptr && embedding->shape.size() == 2) return embedding->shape[0];
  return Status(Code::kInvalidArgument,
                fmt::format("{}: tensor token_embd.weight [vocabulary, width] is missing",
                            file.path().string()));
}

}  // namespace

Result<ModelConfig> config_from_gguf(const weights::GgufFile& file) {
  PANAL_ASSIGN(const std::string name, Metadata(file, "general.").text("architecture", ""));
  ModelConfig config;
  if (name == "llama" || name == "qwen2" || name == "qwen3") {
    config.architecture = Architecture::kLlama;
  } else if (name == "gpt2") {
    config.architecture = Architecture::kGpt2;
  } else {
    return Status(Code::kUnsupported,
                  fmt::format("{}: general.architecture must be llama, qwen2, qwen3 or gpt2, found "
                              "\"{}\"",
                              file.path().string(), name));
  }
  const Metadata metadata(file, name + ".");
  PANAL_ASSIGN(config.layers, metadata.integer("block_count"));
  PANAL_ASSIGN(config.width, metadata.integer("embedding_length"));
  PANAL_ASSIGN(config.heads, metadata.integer("attention.head_count"));
  PANAL_ASSIGN(config.feed_forward_width, metadata.integer("feed_forward_length"));
  PANAL_ASSIGN(config.context_length, metadata.integer("context_length"));
  PANAL_TRY(bounded("embedding_length", config.width, file));
  PANAL_TRY(bounded("head_count", config.heads, file));
  PANAL_ASSIGN(config.vocabulary_size, vocabulary_size(file));
  if (config.architecture == Architecture::kLlama) {
    PANAL_TRY(read_llama(file, metadata, config));
  } else {
    PANAL_TRY(read_gpt2(metadata, config));
  }
  PANAL_ASSIGN(const bool free_head, has_free_head(file));
  config.tied_embeddings = !free_head;
  PANAL_ASSIGN(config.bos_id, token_id(file, "tokenizer.ggml.bos_token_id"));
  PANAL_ASSIGN(config.eos_id, token_id(file, "tokenizer.ggml.eos_token_id"));
  PANAL_TRY(validate(config).with_context(file.path().string()));
  return config;
}

}  // namespace panal::recipe
