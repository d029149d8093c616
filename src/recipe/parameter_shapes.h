// What a config's tensors are called and how large they are, before any is made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/model_config.h"

namespace panal::recipe {

struct ParameterShape {
  std::string name;                 // Hugging Face's.
  std::vector<std::int64_t> shape;  // As Decoder::parameters() has them.
  std::int64_t num_elements() const;
};

/// Every tensor of the core, in the order of Decoder::parameters().
std::vector<ParameterShape> parameter_shapes(const ModelConfig& config);

/// Whether an adapter's target ("q_proj", "self_attn.q_proj") means the module
/// ("model.layers.0.self_attn.q_proj"): its last whole parts.
bool is_target_of(std::string_view target, std::string_view module);

}  // namespace panal::recipe
