#include "train/detail/qk_clipping.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "base/error.h"

namespace panal::train::detail {
namespace {

using optim::ClippedAttention;
using optim::ClippedProjection;

using TensorsByName = std::map<std::string, at::Tensor>;

ClippedProjection projection_of(const TensorsByName& tensors, const std::string& module) {
  const auto weight = tensors.find(module + ".weight");
  PANAL_REQUIRE(weight != tensors.end(),
                fmt::format("QK-clip wants the weight of {}, found none", module));
  ClippedProjection projection{.weight = {weight->second.detach()}};
  const auto remainder = tensors.find("remainder/" + module + ".weight");
  if (remainder != tensors.end()) {
    projection.weight.remainder = remainder->second;
  } else if (weight->second.scalar_type() == at::kBFloat16) {
    // Another rank owns it, and its values replace what is scaled here.
    projection.weight.remainder = at::zeros(weight->second.sizes(), at::kShort);
  }
  const auto bias = tensors.find(module + ".bias");
  if (bias != tensors.end()) projection.bias = bias->second;
  return projection;
}

ClippedAttention attention_of(const TensorsByName& tensors, const recipe::ModelConfig& model,
                              std::int64_t layer) {
  ClippedAttention attention{.heads = model.heads,
                             .key_value_heads = model.key_value_heads,
                             .head_width = model.head_width};
  if (model.architecture == recipe::Architecture::kGpt2) {
    attention.queries = projection_of(tensors, fmt::format("transformer.h.{}.attn.c_attn", layer));
    attention.queries.has_outputs_last = true;
    attention.keys = attention.queries;
    attention.keys.first_output = model.heads * model.head_width;
  } else {
    const std::string module = fmt::format("model.layers.{}.self_attn.", layer);
    attention.queries = projection_of(tensors, module + "q_proj");
    attention.keys = projection_of(tensors, module + "k_proj");
  }
  return attention;
}

}  // namespace

QkClipping::QkClipping(const recipe::QkClipConfig& config, const recipe::ModelConfig& model,
                       std::span<const tensor::NamedTensor> parameters,
                       const optim::Optimizer& optimizer)
    : config_(config),
      largest_(static_cast<std::size_t>(model.layers * model.heads),
               -std::numeric_limits<float>::infinity()) {
  TensorsByName tensors;
  for (const auto& entry : parameters) tensors[entry.name] = entry.value;
  for (const auto& entry : optimizer.state()) {
    if (entry.name.starts_with("remainder/")) tensors[entry.name] = entry.value;
  }
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    layers_.push_back(attention_of(tensors, model, layer));
  }
}

void QkClipping::note(const std::vector<std::vector<float>>& maxima) {
  std::size_t place = 0;
  for (const auto& layer : maxima) {
    for (const float logit : layer) {
      PANAL_REQUIRE(place < largest_.size(),
                    fmt::format("QK-clip wants {} logits, found more", largest_.size()));
      largest_[place] = std::max(largest_[place], logit);
      ++place;
    }
  }
}

std::int64_t QkClipping::clip() {
  std::int64_t clipped = 0;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto heads = static_cast<std::size_t>(layers_[layer].heads);
    clipped += optim::clip_queries_and_keys(
        layers_[layer], std::span<const float>(largest_).subspan(layer * heads, heads), config_);
  }
  forget();
  return clipped;
}

void QkClipping::forget() { std::ranges::fill(largest_, -std::numeric_limits<float>::infinity()); }

}  // namespace panal::train::detail
