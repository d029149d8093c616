#include "recipe/parameter_table.h"

#include <fmt/core.h>

#include <utility>

#include "recipe/parameter_shapes.h"

namespace panal::recipe {
namespace {

using Kind = ParameterSpec::Kind;

void add_llama_layer(const ModelConfig& config, std::int64_t layer,
                     std::vector<ParameterSpec>& table) {
  const std::string name = fmt::format("model.layers.{}.", layer);
  const std::string gguf = fmt::format("blk.{}.", layer);
  const std::int64_t queries = config.heads * config.head_width;
  const std::int64_t keys = config.key_value_heads * config.head_width;
  const auto linear = [&](const char* hugging_face, const char* llama_cpp, std::int64_t out,
                          std::int64_t in) -> ParameterSpec& {
    return table.emplace_back(ParameterSpec{.name = name + hugging_face + ".weight",
                                            .gguf_name = gguf + llama_cpp + ".weight",
                                            .shape = {out, in},
                                            .kind = Kind::kLinear});
  };
  const auto vector = [&](const std::string& hugging_face, const std::string& llama_cpp, Kind kind,
                          std::int64_t width) -> ParameterSpec& {
    return table.emplace_back(ParameterSpec{.name = name + hugging_face,
                                            .gguf_name = gguf + llama_cpp,
                                            .shape = {width},
                                            .kind = kind});
  };
  vector("input_layernorm.weight", "attn_norm.weight", Kind::kNorm, config.width);
  linear("self_attn.q_proj", "attn_q", queries, config.width).rotary_heads = config.heads;
  linear("self_attn.k_proj", "attn_k", keys, config.width).rotary_heads = config.key_value_heads;
  linear("self_attn.v_proj", "attn_v", keys, config.width);
  if (config.attention_bias) {
    vector("self_attn.q_proj.bias", "attn_q.bias", Kind::kBias, queries);
    vector("self_attn.k_proj.bias", "attn_k.bias", Kind::kBias, keys);
    vector("self_attn.v_proj.bias", "attn_v.bias", Kind::kBias, keys);
  }
  if (config.qk_norm) {
    vector("self_attn.q_norm.weight", "attn_q_norm.weight", Kind::kNorm, config.head_width);
    vector("self_attn.k_norm.weight", "attn_k_norm.weight", Kind::kNorm, config.head_width);
  }
  linear("self_attn.o_proj", "attn_output", config.width, queries).into_residual = true;
  if (config.attention_output_bias)
    vector("self_attn.o_proj.bias", "attn_output.bias", Kind::kBias, config.width);
  vector("post_attention_layernorm.weight", "ffn_norm.weight", Kind::kNorm, config.width);
  if (config.is_gated())
    linear("mlp.gate_proj", "ffn_gate", config.feed_forward_width, config.width);
  linear("mlp.up_proj", "ffn_up", config.feed_forward_width, config.width);
  linear("mlp.down_proj", "ffn_down", config.width, config.feed_forward_width).into_residual = true;
}

void add_gpt2_layer(const ModelConfig& config, std::int64_t layer,
                    std::vector<ParameterSpec>& table) {
  const std::string name = fmt::format("transformer.h.{}.", layer);
  const std::string gguf = fmt::format("blk.{}.", layer);
  const auto pair = [&](const char* hugging_face, const char* llama_cpp, bool is_norm,
                        std::int64_t in, std::int64_t out) {
    ParameterSpec weight{.name = name + hugging_face + ".weight",
                         .gguf_name = gguf + llama_cpp + ".weight",
                         .shape = {in, out}};
    if (is_norm) weight.shape = {out};
    weight.kind = is_norm ? Kind::kNorm : Kind::kLinear;
    weight.is_in_out = !is_norm;
    weight.into_residual = std::string_view(hugging_face).ends_with("c_proj");
    table.push_back(weight);
    table.push_back(ParameterSpec{.name = name + hugging_face + ".bias",
                                  .gguf_name = gguf + llama_cpp + ".bias",
                                  .shape = {out},
                                  .kind = Kind::kBias});
  };
  const std::int64_t width = config.width, inner = config.feed_forward_width;
  pair("ln_1", "attn_norm", true, 0, width);
  pair("attn.c_attn", "attn_qkv", false, width, 3 * width);
  pair("attn.c_proj", "attn_output", false, width, width);
  pair("ln_2", "ffn_norm", true, 0, width);
  pair("mlp.c_fc", "ffn_up", false, width, inner);
  pair("mlp.c_proj", "ffn_down", false, inner, width);
}

}  // namespace

std::vector<ParameterSpec> parameter_table(const ModelConfig& config) {
  const bool llama = config.architecture == Architecture::kLlama;
  std::vector<ParameterSpec> table;
  const auto add = [&](const char* name, const char* gguf_name, std::vector<std::int64_t> shape,
                       Kind kind) {
    table.push_back(
        {.name = name, .gguf_name = gguf_name, .shape = std::move(shape), .kind = kind});
  };
  const std::vector<std::int64_t> embedding = {config.vocabulary_size, config.width};
  add(llama ? "model.embed_tokens.weight" : "transformer.wte.weight", "token_embd.weight",
      embedding, Kind::kEmbedding);
  if (!llama) {
    add("transformer.wpe.weight", "position_embd.weight", {config.context_length, config.width},
        Kind::kEmbedding);
  }
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    if (llama) {
      add_llama_layer(config, layer, table);
    } else {
      add_gpt2_layer(config, layer, table);
    }
  }
  add(llama ? "model.norm.weight" : "transformer.ln_f.weight", "output_norm.weight", {config.width},
      Kind::kNorm);
  if (!llama) add("transformer.ln_f.bias", "output_norm.bias", {config.width}, Kind::kBias);
  if (!config.tied_embeddings) add("lm_head.weight", "output.weight", embedding, Kind::kLinear);
  return table;
}

bool is_known_ballast(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
         name.ends_with(".attn.masked_bias") || name == "rope_freqs.weight";
}

std::vector<std::string> linear_names(const ModelConfig& config) {
  if (config.architecture == Architecture::kGpt2) {
    return {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"};
  }
  std::vector<std::string> names = {"q_proj", "k_proj", "v_proj", "o_proj"};
  if (config.is_gated()) names.emplace_back("gate_proj");
  names.insert(names.end(), {"up_proj", "down_proj"});
  return names;
}

std::string module_of(std::string_view parameter_name) {
  return std::string(parameter_name.substr(0, parameter_name.rfind('.')));
}

std::int64_t ParameterShape::num_elements() const {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) elements *= size;
  return elements;
}

std::vector<ParameterShape> parameter_shapes(const ModelConfig& config) {
  std::vector<ParameterShape> shapes;
  for (ParameterSpec& spec : parameter_table(config)) {
    shapes.push_back({.name = std::move(spec.name), .shape = std::move(spec.shape)});
  }
  return shapes;
}

bool is_target_of(std::string_view target, std::string_view module) {
  return module.ends_with(target) && module.size() > target.size() &&
         module[module.size() - target.size() - 1] == '.';
}

}  // namespace panal::recipe
