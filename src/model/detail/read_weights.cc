#include "model/detail/read_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "tensor/tensor_file.h"

namespace panal::model::detail {
namespace {

using weights::TensorInfo;

std::vector<std::int64_t> shape_in_file(const recipe::ParameterSpec& spec, bool is_gguf) {
  if (is_gguf && spec.is_in_out) return {spec.shape[1], spec.shape[0]};
  return spec.shape;
}

// Hugging Face files of a bare GPT2Model leave the prefix "transformer." out; those of LlamaModel
// leave out "model.".
std::string name_in_file(const weights::WeightSource& source, const recipe::ParameterSpec& spec) {
  if (source.gguf() != nullptr) return spec.gguf_name;
  if (source.find(spec.name) != nullptr) return spec.name;
  for (const std::string_view prefix : {"transformer.", "model."}) {
    if (!spec.name.starts_with(prefix)) continue;
    const std::string bare = spec.name.substr(prefix.size());
    if (source.find(bare) != nullptr) return bare;
  }
  return spec.name;
}

constexpr std::string_view kHead = "lm_head.weight";

// A tied head may be in the file all the same; config_of() has made sure that it is a copy.
bool is_copy_of_embedding(const weights::WeightSource& source, const recipe::ModelConfig& config,
                          std::string_view name) {
  if (!config.tied_embeddings) return false;
  return name == (source.gguf() != nullptr ? "output.weight" : kHead);
}

Result<std::vector<float>> values_of(const weights::WeightSource& source, const TensorInfo& info) {
  std::vector<float> values(static_cast<std::size_t>(info.num_elements));
  PANAL_TRY(source.read_float32(info.name, values));
  return values;
}

Result<bool> are_equal(const weights::WeightSource& source, const TensorInfo& a,
                       const TensorInfo& b) {
  if (a.shape != b.shape) return false;
  if (a.type == b.type) {
    PANAL_ASSIGN(const auto left, source.raw_bytes(a.name));
    PANAL_ASSIGN(const auto right, source.raw_bytes(b.name));
    return std::ranges::equal(left, right);
  }
  PANAL_ASSIGN(const std::vector<float> left, values_of(source, a));
  PANAL_ASSIGN(const std::vector<float> right, values_of(source, b));
  return left == right;
}

// Whether a Hugging Face file has a head of its own, though its config says that it is tied.
Result<bool> has_own_head(const weights::WeightSource& source, const recipe::ModelConfig& config) {
  const TensorInfo* head = source.find(kHead);
  if (head == nullptr) return false;
  if (!weights::is_readable_as_float32(head->type)) return true;  // Refused by its type later.
  for (const recipe::ParameterSpec& spec : recipe::parameter_table(config)) {
    if (!spec.name.ends_with("embed_tokens.weight") && !spec.name.ends_with("wte.weight")) continue;
    const TensorInfo* embedding = source.find(name_in_file(source, spec));
    if (embedding == nullptr || !weights::is_readable_as_float32(embedding->type)) return false;
    PANAL_ASSIGN(const bool is_copy, are_equal(source, *head, *embedding));
    return !is_copy;
  }
  return false;
}

Status check_shape(const weights::WeightSource& source, const TensorInfo& info,
                   const std::vector<std::int64_t>& wanted) {
  if (info.shape != wanted) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: tensor {}: wanted shape {}, found {}", source.path().string(), info.name,
                    weights::shape_text(wanted), weights::shape_text(info.shape)));
  }
  if (!weights::is_readable_as_float32(info.type)) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: tensor {}: type {} is not one this build reads",
                              source.path().string(), info.name, info.type_name));
  }
  return Status();
}

}  // namespace

Result<std::vector<FoundParameter>> match_parameters(const weights::WeightSource& source,
                                                     const recipe::ModelConfig& config) {
  std::vector<FoundParameter> found;
  std::set<std::string, std::less<>> used;
  for (recipe::ParameterSpec& spec : recipe::parameter_table(config)) {
    std::string name = name_in_file(source, spec);
    const TensorInfo* info = source.find(name);
    if (info == nullptr) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: tensor {} {} is missing", source.path().string(), name,
                                weights::shape_text(spec.shape)));
    }
    PANAL_TRY(check_shape(source, *info, shape_in_file(spec, source.gguf() != nullptr)));
    used.insert(name);
    found.push_back({std::move(spec), std::move(name)});
  }
  for (const TensorInfo& info : source.tensors()) {
    if (used.contains(info.name) || recipe::is_known_ballast(info.name) ||
        is_copy_of_embedding(source, config, info.name)) {
      continue;
    }
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: tensor {} {} is not part of a {} model with this config",
                              source.path().string(), info.name, weights::shape_text(info.shape),
                              recipe::architecture_name(config.architecture)));
  }
  return found;
}

std::vector<std::int64_t> row_order(const weights::WeightSource& source,
                                    const recipe::ParameterSpec& spec) {
  const bool is_llama_gguf = source.gguf() != nullptr &&
                             source.gguf()->string("general.architecture").ok() &&
                             source.gguf()->string("general.architecture").value() == "llama";
  if (!is_llama_gguf || spec.rotary_heads == 0) return {};
  const std::int64_t rows = spec.shape[0], head_width = rows / spec.rotary_heads;
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t head = 0; head < spec.rotary_heads; ++head) {
    for (std::int64_t half = 0; half < 2; ++half) {
      for (std::int64_t i = 0; i < head_width / 2; ++i)
        order.push_back(head * head_width + 2 * i + half);
    }
  }
  return order;
}

Result<at::Tensor> read_parameter(const weights::WeightSource& source,
                                  const FoundParameter& parameter) {
  const recipe::ParameterSpec& spec = parameter.spec;
  const bool transposed = source.gguf() != nullptr && spec.is_in_out;
  at::Tensor tensor = at::empty(shape_in_file(spec, source.gguf() != nullptr), at::kFloat);
  const std::span<float> values = tensor::floats_of(tensor);
  PANAL_TRY(source.read_float32(parameter.file_name, values));
  PANAL_TRY(weights::check_finite(
      values, fmt::format("{}: tensor {}", source.path().string(), parameter.file_name)));
  if (transposed) return tensor.t().contiguous();
  const std::vector<std::int64_t> order = row_order(source, spec);
  if (order.empty()) return tensor;
  return tensor.index_select(0, at::tensor(order, at::kLong));
}

Result<std::map<std::string, at::Tensor>> read_parameters(const weights::WeightSource& source,
                                                          const recipe::ModelConfig& config) {
  PANAL_ASSIGN(const std::vector<FoundParameter> found, match_parameters(source, config));
  std::map<std::string, at::Tensor> tensors;
  for (const FoundParameter& parameter : found) {
    PANAL_ASSIGN(at::Tensor tensor, read_parameter(source, parameter));
    tensors.emplace(parameter.spec.name, std::move(tensor));
  }
  return tensors;
}

Result<recipe::ModelConfig> config_of(const weights::WeightSource& source,
                                      const std::filesystem::path& folder_or_file) {
  if (source.gguf() != nullptr) return recipe::config_from_gguf(*source.gguf());
  PANAL_ASSIGN(recipe::ModelConfig config, recipe::load_model_config(folder_or_file.string()));
  if (config.tied_embeddings) {
    PANAL_ASSIGN(const bool own_head, has_own_head(source, config));
    config.tied_embeddings = !own_head;
  }
  return config;
}

Result<std::vector<std::string>> unused_tensors(const weights::WeightSource& source,
                                                const recipe::ModelConfig& config) {
  PANAL_ASSIGN(const std::vector<FoundParameter> found, match_parameters(source, config));
  std::set<std::string_view> used;
  for (const FoundParameter& parameter : found) used.insert(parameter.file_name);
  std::vector<std::string> unused;
  for (const TensorInfo& info : source.tensors()) {
    if (!used.contains(info.name)) unused.push_back(info.name);
  }
  return unused;
}

}  // namespace panal::model::detail
