// config.json of transformers, both ways. Only what this build computes exactly is accepted. What
// transformers has no class for goes under a model_type of our own: the same members and a few more
// (docs/formats.md), so that transformers refuses the folder instead of computing something else.
#include <fmt/core.h>

#include <cmath>
#include <initializer_list>

#include "recipe/model_config.h"

namespace panal::recipe {
namespace {

constexpr std::int64_t kMax = std::int64_t{1} << 24;

// Reads members and remembers the first thing that was wrong, so that the mapping below stays plain
// lines.
class Members {
 public:
  Members(const Json& json, std::string_view where) : json_(json), where_(where) {}

  std::int64_t integer(std::string_view key) {
    return keep(json_integer(json_, key, where_, 1, kMax), std::int64_t{1});
  }
  std::int64_t integer(std::string_view key, std::int64_t fallback) {
    return json_has(json_, key) ? integer(key) : fallback;
  }
  double number(std::string_view key, double fallback) {
    if (!json_has(json_, key)) return fallback;
    return keep(json_number(json_, key, where_, 0, 1e12), fallback);
  }
  bool flag(std::string_view key, bool fallback) {
    if (!json_has(json_, key)) return fallback;
    return keep(json_boolean(json_, key, where_), fallback);
  }
  std::string text(std::string_view key, std::string fallback) {
    if (!json_has(json_, key)) return fallback;
    return keep(json_string(json_, key, where_), std::move(fallback));
  }
  // eos_token_id may be a list; the first is the one that ends a text.
  std::optional<std::int64_t> token_id(std::string_view key) {
    if (!json_has(json_, key)) return std::nullopt;
    const Json& value = json_[std::string(key)];
    const Json& id = value.is_array() && !value.empty() ? value.front() : value;
    if (!id.is_number_integer() || id.get<std::int64_t>() < -1 || id.get<std::int64_t>() >= kMax) {
      refuse(Code::kInvalidArgument,
             fmt::format("\"{}\" must be a token id, found {}", key, json_shown(value)));
      return std::nullopt;
    }
    const auto number = id.get<std::int64_t>();
    return number < 0 ? std::nullopt : std::optional(number);
  }
  // A setting whose other values would change the computation.
  void want(std::string_view key, std::string fallback,
            std::initializer_list<std::string_view> known) {
    const std::string found = text(key, std::move(fallback));
    for (std::string_view value : known) {
      if (found == value) return;
    }
    refuse(Code::kUnsupported,
           fmt::format("\"{}\" must be \"{}\", found \"{}\"", key, *known.begin(), found));
  }
  void want_flag(std::string_view key, bool wanted) {
    if (flag(key, wanted) != wanted) {
      refuse(Code::kUnsupported, fmt::format("\"{}\" must be {}, found {}", key, wanted, !wanted));
    }
  }
  void refuse(Code code, const std::string& why) {
    if (status_.ok()) status_ = Status(code, fmt::format("{}: {}", where_, why));
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  T keep(Result<T> result, T fallback) {
    if (result.ok()) return std::move(result).value();
    if (status_.ok()) status_ = result.status();
    return fallback;
  }
  const Json& json_;  // Outlives this reader, as where_.
  std::string_view where_;
  Status status_;
};

Result<RopeScaling> rope_scaling_from(const Json& json, std::string_view where) {
  RopeScaling scaling;
  if (!json.is_object()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: rope scaling must be an object, found {}", where, json_shown(json)));
  }
  Members members(json, where);
  const std::string kind = members.text("rope_type", members.text("type", "default"));
  scaling.factor = members.number("factor", 1.0);
  if (kind == "default") {
    scaling.factor = 1.0;
  } else if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
  } else if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::kLlama3;
    scaling.low_frequency_factor = members.number("low_freq_factor", 1.0);
    scaling.high_frequency_factor = members.number("high_freq_factor", 4.0);
    scaling.original_context_length = members.integer("original_max_position_embeddings", 8192);
  } else {
    members.refuse(
        Code::kUnsupported,
        fmt::format("rope scaling must be default, linear or llama3, found \"{}\"", kind));
  }
  PANAL_TRY(members.status());
  return scaling;
}

// What both families have, each by its own words.
struct Names {
  const char* width;
  const char* layers;
  const char* heads;
  const char* feed_forward_width;
  const char* context_length;
  const char* norm_epsilon;
};
constexpr Names kLlamaNames = {.width = "hidden_size",
                               .layers = "num_hidden_layers",
                               .heads = "num_attention_heads",
                               .feed_forward_width = "intermediate_size",
                               .context_length = "max_position_embeddings",
                               .norm_epsilon = "rms_norm_eps"};
constexpr Names kGpt2Names = {.width = "n_embd",
                              .layers = "n_layer",
                              .heads = "n_head",
                              .feed_forward_width = "n_inner",
                              .context_length = "n_positions",
                              .norm_epsilon = "layer_norm_epsilon"};

constexpr std::string_view kPanalLlama = "panal_llama", kPanalGpt2 = "panal_gpt2";

// Biases and norms of the attention, which each model_type says in its own way.
void read_attention(Members& members, const std::string& type, ModelConfig& config) {
  if (type == "qwen2" || type == "mistral") {
    config.attention_bias = type == "qwen2";
    members.want_flag("attention_bias", config.attention_bias);
    return;
  }
  config.attention_bias = members.flag("attention_bias", false);
  config.attention_output_bias = config.attention_bias;
  config.qk_norm = type == "qwen3";
  if (type != kPanalLlama) return;
  config.attention_output_bias =
      members.flag("attention_output_bias", config.attention_output_bias);
  config.qk_norm = members.flag("qk_norm", false);
}

// The members that only our own model types have.
void read_own(Members& members, ModelConfig& config) {
  config.logit_soft_cap = members.number("final_logit_softcapping", 0.0);
  if (config.architecture == Architecture::kGpt2) return;
  const std::string name = members.text("feed_forward", "swiglu");
  if (name == "gelu") {
    config.activation = Activation::kGelu;
  } else if (name == "relu_squared") {
    config.activation = Activation::kReluSquared;
  } else if (name != "swiglu") {
    members.refuse(
        Code::kUnsupported,
        fmt::format("\"feed_forward\" must be swiglu, gelu or relu_squared, found \"{}\"", name));
  }
}

// Layers with a sliding window are the same as others while no text is longer than the window.
void refuse_short_window(Members& members, const std::string& type, const ModelConfig& config) {
  const bool window_used = type == "mistral" || ((type == "qwen2" || type == "qwen3") &&
                                                 members.flag("use_sliding_window", false));
  if (window_used && members.integer("sliding_window", kMax) < config.context_length) {
    members.refuse(Code::kUnsupported, "a sliding attention window shorter than the context");
  }
}

Result<ModelConfig> llama_from(const Json& json, std::string_view where, const std::string& type) {
  Members members(json, where);
  ModelConfig config;
  config.architecture = Architecture::kLlama;
  config.vocabulary_size = members.integer("vocab_size");
  config.width = members.integer(kLlamaNames.width);
  config.layers = members.integer(kLlamaNames.layers);
  config.heads = members.integer(kLlamaNames.heads);
  config.key_value_heads = members.integer("num_key_value_heads", config.heads);
  // Qwen3's class has a width of its own where the file is silent.
  const bool is_qwen3 = type == "qwen3";
  if (!is_qwen3 && !json_has(json, "head_dim") && config.width % config.heads != 0) {
    members.refuse(
        Code::kInvalidArgument,
        fmt::format("hidden_size must be a multiple of num_attention_heads, found {} and {}",
                    config.width, config.heads));
  }
  config.head_width = members.integer("head_dim", is_qwen3 ? 128 : config.width / config.heads);
  config.feed_forward_width = members.integer(kLlamaNames.feed_forward_width);
  config.context_length = members.integer(kLlamaNames.context_length, 2048);
  config.norm_epsilon = members.number(kLlamaNames.norm_epsilon, 1e-6);
  config.rope_base = members.number("rope_theta", 10000.0);
  config.tied_embeddings = members.flag("tie_word_embeddings", false);
  read_attention(members, type, config);
  if (type == kPanalLlama) read_own(members, config);
  config.bos_id = members.token_id("bos_token_id");
  config.eos_id = members.token_id("eos_token_id");
  members.want("hidden_act", "silu", {"silu", "swish"});
  members.want_flag("mlp_bias", false);
  refuse_short_window(members, type, config);
  PANAL_TRY(members.status());
  // transformers 5 writes one object rope_parameters; earlier versions rope_theta and rope_scaling.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json_has(json, key)) continue;
    PANAL_ASSIGN(config.rope_scaling, rope_scaling_from(json[key], where));
    config.rope_base = Members(json[key], where).number("rope_theta", config.rope_base);
  }
  return config;
}

Result<ModelConfig> gpt2_from(const Json& json, std::string_view where, const std::string& type) {
  Members members(json, where);
  ModelConfig config;
  config.architecture = Architecture::kGpt2;
  config.vocabulary_size = members.integer("vocab_size", 50257);
  config.width = members.integer(kGpt2Names.width, 768);
  config.layers = members.integer(kGpt2Names.layers, 12);
  config.heads = members.integer(kGpt2Names.heads, 12);
  config.key_value_heads = config.heads;
  config.head_width = config.width / config.heads;
  config.feed_forward_width = members.integer(kGpt2Names.feed_forward_width, 4 * config.width);
  config.context_length =
      members.integer(kGpt2Names.context_length, members.integer("n_ctx", 1024));
  config.norm_epsilon = members.number(kGpt2Names.norm_epsilon, 1e-5);
  config.tied_embeddings = members.flag("tie_word_embeddings", true);
  config.attention_bias = true;
  config.bos_id = members.token_id("bos_token_id");
  config.eos_id = members.token_id("eos_token_id");
  if (type == kPanalGpt2) read_own(members, config);
  if (members.text("activation_function", "") == "relu2") {
    config.activation = Activation::kReluSquared;
  } else {
    members.want("activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh"});
  }
  members.want_flag("scale_attn_weights", true);
  members.want_flag("scale_attn_by_inverse_layer_idx", false);
  members.want_flag("add_cross_attention", false);
  PANAL_TRY(members.status());
  return config;
}

Json rope_to(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  Json json = {{"rope_type", "default"}};
  if (scaling.kind == RopeScaling::Kind::kLinear) {
    json = {{"rope_type", "linear"}, {"factor", scaling.factor}};
  } else if (scaling.kind == RopeScaling::Kind::kLlama3) {
    json = {{"rope_type", "llama3"},
            {"factor", scaling.factor},
            {"low_freq_factor", scaling.low_frequency_factor},
            {"high_freq_factor", scaling.high_frequency_factor},
            {"original_max_position_embeddings", scaling.original_context_length}};
  }
  return json;
}

// The class of transformers that computes the same, or our own type where there is none.
std::string_view model_type(const ModelConfig& config) {
  const bool capped = config.logit_soft_cap > 0;
  if (config.architecture == Architecture::kGpt2) return capped ? kPanalGpt2 : "gpt2";
  const bool biases_agree = config.attention_bias == config.attention_output_bias;
  if (capped || !config.is_gated() || (config.qk_norm && !biases_agree)) return kPanalLlama;
  if (config.qk_norm) return "qwen3";
  return biases_agree ? "llama" : "qwen2";
}

std::string_view class_name(std::string_view model_type) {
  if (model_type == "llama") return "LlamaForCausalLM";
  if (model_type == "qwen2") return "Qwen2ForCausalLM";
  if (model_type == "qwen3") return "Qwen3ForCausalLM";
  if (model_type == "gpt2") return "GPT2LMHeadModel";
  return model_type == kPanalLlama ? "PanalLlamaForCausalLM" : "PanalGPT2LMHeadModel";
}

void sizes_to(const ModelConfig& config, const Names& names, Json& json) {
  json[names.width] = config.width;
  json[names.layers] = config.layers;
  json[names.heads] = config.heads;
  json[names.feed_forward_width] = config.feed_forward_width;
  json[names.context_length] = config.context_length;
  json[names.norm_epsilon] = config.norm_epsilon;
}

void llama_to(const ModelConfig& config, std::string_view type, Json& json) {
  sizes_to(config, kLlamaNames, json);
  json["num_key_value_heads"] = config.key_value_heads;
  json["head_dim"] = config.head_width;
  json["rope_theta"] = config.rope_base;
  // null for plain rotary positions: readers before transformers 5 know no "default" there.
  json["rope_scaling"] =
      config.rope_scaling.kind == RopeScaling::Kind::kNone ? Json(nullptr) : rope_to(config);
  Json parameters = rope_to(config);
  parameters["rope_theta"] = config.rope_base;
  json["rope_parameters"] = parameters;
  json["hidden_act"] = "silu";
  if (type == "llama" || type == "qwen3" || type == kPanalLlama)
    json["attention_bias"] = config.attention_bias;
  if (type == "llama") json["mlp_bias"] = false;
  if (type == kPanalLlama) {
    json["attention_output_bias"] = config.attention_output_bias;
    json["qk_norm"] = config.qk_norm;
    json["feed_forward"] = activation_name(config.actual_activation());
  }
  json["initializer_range"] = 0.02;
}

void gpt2_to(const ModelConfig& config, Json& json) {
  sizes_to(config, kGpt2Names, json);
  json["n_ctx"] = config.context_length;
  json["activation_function"] =
      config.actual_activation() == Activation::kReluSquared ? "relu2" : "gelu_new";
  json["attn_pdrop"] = 0.0;
  json["embd_pdrop"] = 0.0;
  json["resid_pdrop"] = 0.0;
  json["initializer_range"] = 0.02;
}

}  // namespace

Result<ModelConfig> config_from_hugging_face(const Json& json, std::string_view where) {
  PANAL_ASSIGN(const std::string type, json_string(json, "model_type", where));
  Result<ModelConfig> config = [&]() -> Result<ModelConfig> {
    if (type == "llama" || type == "mistral" || type == "qwen2" || type == "qwen3" ||
        type == kPanalLlama) {
      return llama_from(json, where, type);
    }
    if (type == "gpt2" || type == kPanalGpt2) return gpt2_from(json, where, type);
    return Status(
        Code::kUnsupported,
        fmt::format("{}: model_type must be llama, mistral, qwen2, qwen3, gpt2, {} or {}, "
                    "found \"{}\"",
                    where, kPanalLlama, kPanalGpt2, type));
  }();
  PANAL_TRY(config.status());
  PANAL_TRY(validate(*config).with_context(where));
  return config;
}

Json config_to_hugging_face(const ModelConfig& config, std::string_view data_type) {
  const bool llama = config.architecture == Architecture::kLlama;
  const std::string_view type = model_type(config);
  Json json;
  json["architectures"] = Json::array({std::string(class_name(type))});
  json["model_type"] = std::string(type);
  json["vocab_size"] = config.vocabulary_size;
  if (llama) {
    llama_to(config, type, json);
  } else {
    gpt2_to(config, json);
  }
  if (config.logit_soft_cap > 0) json["final_logit_softcapping"] = config.logit_soft_cap;
  json["tie_word_embeddings"] = config.tied_embeddings;
  json["bos_token_id"] = config.bos_id ? Json(*config.bos_id) : Json(nullptr);
  json["eos_token_id"] = config.eos_id ? Json(*config.eos_id) : Json(nullptr);
  json["use_cache"] = true;
  json["dtype"] = std::string(data_type);
  json["torch_dtype"] = std::string(data_type);  // The name before transformers 5.
  return json;
}

}  // namespace panal::recipe
