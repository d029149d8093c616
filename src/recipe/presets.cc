#include "recipe/presets.h"

#include <algorithm>
#include <utility>

namespace panal::recipe {
namespace {

// 1.5b is written 1542M in the paper; the released weights have 25 heads of 64.
ModelConfig gpt2(std::int64_t layers, std::int64_t width) {
  return with_usual_shape({.architecture = Architecture::kGpt2,
                           .vocabulary_size = 50257,
                           .width = width,
                           .layers = layers,
                           .heads = width / 64,
                           .context_length = 1024});
}

// Heads of 128 from a width of 2048 on, as Llama has them; narrower models keep more heads of 64.
ModelConfig llama(std::int64_t layers, std::int64_t width, bool tied) {
  return with_usual_shape({.architecture = Architecture::kLlama,
                           .vocabulary_size = 50304,  // GPT-2's, up to a multiple of 64.
                           .width = width,
                           .layers = layers,
                           .heads = width / (width < 2048 ? 64 : 128),
                           .context_length = 2048,
                           .tied_embeddings = tied});
}

ModelConfig llama_8b() {
  ModelConfig config = llama(32, 4096, false);
  config.vocabulary_size = 128256;
  config.key_value_heads = 8;
  config.feed_forward_width = 14336;
  config.context_length = 131072;
  config.rope_base = 500000.0;
  config.rope_scaling.kind = RopeScaling::Kind::kLlama3;
  config.rope_scaling.factor = 8.0;
  return config;
}

}  // namespace

std::span<const Preset> presets() {
  static const std::vector<Preset> all = {
      {"gpt2-124m", "GPT-2 small", gpt2(12, 768)},
      {"gpt2-355m", "GPT-2 medium", gpt2(24, 1024)},
      {"gpt2-774m", "GPT-2 large", gpt2(36, 1280)},
      {"gpt2-1.5b", "GPT-2 XL", gpt2(48, 1600)},
      // A tied head below a billion: there the embedding is a good part of all weights.
      {"llama-0.2b", "LLaMA architecture", llama(12, 1024, true)},
      {"llama-0.5b", "LLaMA architecture", llama(24, 1280, true)},
      {"llama-1.4b", "LLaMA architecture", llama(24, 2048, false)},
      {"llama-8b", "Llama 3.1 8B", llama_8b()},
  };
  return all;
}

const Preset* find_preset(std::string_view name) {
  const auto found = std::ranges::find(presets(), name, &Preset::name);
  return found == presets().end() ? nullptr : &*found;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

Json presets_to_json() {
  Json list = Json::array();
  for (const Preset& preset : presets()) {
    const ModelConfig& model = preset.config;
    list.push_back({{"name", preset.name},
                    {"source", preset.source},
                    {"arch", architecture_name(model.architecture)},
                    {"layers", model.layers},
                    {"width", model.width},
                    {"heads", model.heads},
                    {"key_value_heads", model.key_value_heads},
                    {"vocab", model.vocabulary_size},
                    {"context", model.context_length},
                    {"parameters", model.num_parameters()},
                    {"matrix_parameters", model.num_matrix_parameters()},
                    {"flops_per_token", model.training_flops_per_token(model.context_length)}});
  }
  return Json{{"presets", std::move(list)}};
}

}  // namespace panal::recipe
