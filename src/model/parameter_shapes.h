// What a config's tensors are called and how large they are, before any is made: for plans.
// Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace panal::model {

struct ParameterShape {
  std::string name;                 // Hugging Face's.
  std::vector<std::int64_t> shape;  // As Decoder::parameters() has them.
};

/// Every tensor of the core, in the order of Decoder::parameters().
std::vector<ParameterShape> parameter_shapes(const ModelConfig& config);

}  // namespace panal::model
