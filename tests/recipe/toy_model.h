// The smallest model that has two of everything.
#pragma once

#include <cstdint>

#include "recipe/model_config.h"

namespace panal::recipe {

/// Llama's architecture with two layers of two heads, 32 wide.
inline ModelConfig toy_model(std::int64_t vocabulary_size, std::int64_t context_length) {
  ModelConfig model;
  model.vocabulary_size = vocabulary_size;
  model.width = 32;
  model.layers = model.heads = model.key_value_heads = 2;
  model.head_width = 16;
  model.feed_forward_width = 64;
  model.context_length = context_length;
  return model;
}

}  // namespace panal::recipe
