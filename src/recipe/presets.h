// Shapes of models that others have published figures for, so that a run and a benchmark can name
// them. Every dimension is a plain ModelConfig: nothing is decided by the name later on.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "recipe/model_config.h"

namespace panal::recipe {

struct Preset {
  std::string_view name;
  std::string_view source;  // Where the dimensions come from.
  ModelConfig config;       // Valid; without ids of special tokens, which are the tokenizer's.
};

/// All presets, small to large within a family: gpt2-124m, gpt2-355m, gpt2-774m and gpt2-1.5b with
/// the dimensions of Radford et al., "Language Models are Unsupervised Multitask Learners", 2019;
/// llama-8b as Llama 3.1 (Dubey et al., "The Llama 3 Herd of Models", 2024); llama-0.2b, llama-0.5b
/// and llama-1.4b are the same architecture at sizes for one machine. Torch-free.
std::span<const Preset> presets();

/// The preset of that name, or null.
const Preset* find_preset(std::string_view name);

/// The names, in the order of presets().
std::vector<std::string> preset_names();

/// {"presets": [...]} with parameters, and FLOPs of a training token at each preset's context.
Json presets_to_json();

}  // namespace panal::recipe
