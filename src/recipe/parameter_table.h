// Which tensors a config wants: names and shapes as in Hugging Face files, how each one starts, and
// what the same tensor is called in a GGUF file. One table serves loading, saving, random starts
// and LoRA. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/model_config.h"

namespace panal::recipe {

struct ParameterSpec {
  enum class Kind { kEmbedding, kLinear, kNorm, kBias };
  std::string name;       // Hugging Face's.
  std::string gguf_name;  // llama.cpp's.
  std::vector<std::int64_t>
      shape;  // Hugging Face's: [out, in] for LLaMA's linear layers, [in, out] for GPT-2's.
  Kind kind = Kind::kLinear;
  bool into_residual = false;     // A projection whose output is added to the residual stream.
  std::int64_t rotary_heads = 0;  // Not 0: GGUF holds each head's rows in interleaved rotary order.
  bool is_in_out = false;         // Stored [in, out]; GGUF holds it transposed.
};

/// Every tensor of the core, in the order of the layers.
std::vector<ParameterSpec> parameter_table(const ModelConfig& config);

/// True for tensors that files carry and nothing reads: attention masks, tables of rotary
/// frequencies.
bool is_known_ballast(std::string_view name);

/// The linear layers an adapter can lie over, as the last parts of their module names: "q_proj",
/// "attn.c_proj".
std::vector<std::string> linear_names(const ModelConfig& config);

/// "model.layers.3.self_attn.q_proj.weight" -> "model.layers.3.self_attn.q_proj".
std::string module_of(std::string_view parameter_name);

}  // namespace panal::recipe
