// A LoRA adapter read from a PEFT folder, before it is put over a core for training or serving.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/decoder.h"
#include "recipe/model_config.h"

namespace panal::model::detail {

struct LinearShape {
  std::string module;
  std::int64_t in_width = 0;
  std::int64_t out_width = 0;
};

struct AdapterMatrices {
  at::Tensor down;  // A [rank, in]
  at::Tensor up;    // B [out, rank]
};

struct Adapter {
  LoraConfig lora;
  std::map<std::string, AdapterMatrices> matrices;  // By module.
};

/// Reads and checks an adapter against the linear layers of a core. Errors as
/// Decoder::load_adapter.
Result<Adapter> read_adapter(const std::filesystem::path& folder,
                             const std::vector<LinearShape>& linears);

/// The layers that target_modules names are exactly those that have matrices, and there is at least
/// one.
Status check_targets(const Adapter& adapter, const std::vector<LinearShape>& linears,
                     std::string_view where);

/// adapter_config.json as PEFT reads it.
Json adapter_config_json(const LoraConfig& lora, recipe::Architecture architecture);

}  // namespace panal::model::detail
