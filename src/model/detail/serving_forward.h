// One ragged step of several sequences through a core: all tokens share each weight's one reading,
// attention goes sequence by sequence over its own cache, and each row gets its own adapter's part.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/detail/key_value_cache.h"
#include "model/detail/serving_core.h"

namespace panal::model::detail {

struct RaggedStep {
  std::span<const std::int32_t> tokens;
  KeyValueCache* cache = nullptr;  // Has room for the tokens; its length does not change here.
  const ServingAdapter* adapter = nullptr;  // Null: the core alone.
  std::size_t output_row = 0;               // Of logits.
};

/// Appends keys and values to each cache behind its length, and writes the logits after each step's
/// last token. Reorders `steps` so that equal adapters are neighbours. Needs inference mode.
void run_forward(const ServingCore& core, std::vector<RaggedStep>& steps, std::span<float> logits);

}  // namespace panal::model::detail
