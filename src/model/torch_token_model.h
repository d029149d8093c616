// The real TokenModel: a core with its LoRA adapters, ragged batches, a key-value cache per
// sequence. Weights of the core exist once, however many adapters lie over it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/token_model.h"

namespace panal::model {

struct AdapterSource {
  std::string name;  // Not empty, unique.
  std::filesystem::path folder;
};

struct TokenModelOptions {
  std::int64_t max_context = 0;      // Caps the model's own context length; 0 keeps it.
  std::int64_t max_sequences = 256;  // Open at one time.
};

/// Loads a core (as load_decoder) with PEFT adapters over it. No gradients, float32 results. Errors
/// as load_decoder's and Decoder::load_adapter's, plus kInvalidArgument for an adapter name that is
/// empty or used twice.
Result<std::unique_ptr<TokenModel>> open_token_model(
    const std::filesystem::path& core, const std::vector<AdapterSource>& adapters = {},
    const TokenModelOptions& options = {});

}  // namespace panal::model
