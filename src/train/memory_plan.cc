#include "train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace panal::train {
namespace {

using enum MemoryKind;
using tensor::Precision;

constexpr double kFloat = 4, kBFloat16 = 2, kLong = 8;
constexpr double kLogitsPerChunk = 1 << 24;  // As tensor/layers.cc divides the head.

// The dimensions as doubles: products of them leave the range of 32 bits, and of patience.
struct Sizes {
  explicit Sizes(const StepShape& shape)
      : is_gpt2(shape.model.architecture == model::Architecture::kGpt2),
        is_gated(shape.model.is_gated()),
        has_qk_norm(shape.model.qk_norm),
        is_rounded(shape.precision == Precision::kBFloat16),
        rows(static_cast<double>(shape.sequences * shape.context)),
        width(static_cast<double>(shape.model.width)),
        inner(static_cast<double>(shape.model.feed_forward_width)),
        queries(static_cast<double>(shape.model.heads * shape.model.head_width)),
        keys(static_cast<double>(shape.model.key_value_heads * shape.model.head_width)),
        heads(static_cast<double>(shape.model.heads)),
        vocabulary(static_cast<double>(shape.model.vocabulary_size)),
        layers(static_cast<double>(shape.model.layers)),
        parameters(static_cast<double>(shape.model.num_parameters())) {}

  double embedding() const { return vocabulary * width; }
  // Weights that products read: the layers' and the head's.
  double layer_matrices() const {
    return width * (2 * queries + 2 * keys) + (is_gated ? 3 : 2) * width * inner;
  }
  double element() const { return is_rounded ? kBFloat16 : kFloat; }  // What products read.

  bool is_gpt2, is_gated, has_qk_norm, is_rounded;
  double rows, width, inner, queries, keys, heads, vocabulary, layers, parameters;
};

// What one layer keeps from its forward pass for its backward pass, by the names of
// model/detail/decoder_state.cc.
std::vector<MemoryItem> kept_by_layer(const Sizes& s) {
  std::vector<MemoryItem> kept;
  const auto keep = [&](const char* name, double columns, double bytes) {
    kept.push_back({kActivations, name, s.rows * columns * bytes});
  };
  const double element = s.element();
  keep("layer.stream", s.width, kFloat);
  keep("layer.attention_norm.statistics", s.is_gpt2 ? 2 : 1, kFloat);
  keep("layer.attention.input", s.width, element);
  if (s.has_qk_norm) keep("layer.attention.q_and_k_before_norm", s.queries + s.keys, kFloat);
  keep("layer.attention.q", s.queries, element);
  keep("layer.attention.k", s.keys, element);
  keep("layer.attention.v", s.keys, element);
  keep("layer.attention.log_sum_exp", s.heads, kFloat);
  keep("layer.attention.output", s.queries, element);
  keep("layer.middle", s.width, kFloat);
  keep("layer.feed_forward_norm.statistics", s.is_gpt2 ? 2 : 1, kFloat);
  keep("layer.feed_forward.input", s.width, element);
  if (s.is_gated) keep("layer.feed_forward.gate", s.inner, element);
  keep("layer.feed_forward.up", s.inner, element);
  keep("layer.feed_forward.inner", s.inner, element);
  return kept;
}

void add_lasting(const StepShape& shape, const Sizes& s, std::vector<MemoryItem>& items) {
  items.push_back({kWeights, "weights", s.parameters * kFloat});
  if (s.is_rounded) {
    const double read = s.layers * s.layer_matrices() + s.embedding();
    items.push_back({kWeights, "weights.rounded", read * kBFloat16});
  }
  const double hidden = s.layers * s.layer_matrices();
  if (shape.optimizer.rule == optim::Rule::kMuon) {
    items.push_back({kStates, "muon.momentum", hidden * kFloat});
    items.push_back({kStates, "adamw.moments", 2 * (s.parameters - hidden) * kFloat});
  } else {
    items.push_back({kStates, "adamw.moments", 2 * s.parameters * kFloat});
  }
  if (!s.is_gpt2) {
    const auto half = static_cast<double>(shape.model.head_width) / 2;
    items.push_back({kBuffers, "rotary table",
                     2 * static_cast<double>(shape.model.context_length) * half * kFloat});
  }
  items.push_back({kBuffers, "tokens and targets", 3 * s.rows * kLong});
}

void add_layers(const Sizes& s, double layers, std::vector<MemoryItem>& items) {
  for (MemoryItem& item : kept_by_layer(s)) {
    item.bytes *= layers;
    item.name += fmt::format(" x {:.0f}", layers);
    items.push_back(std::move(item));
  }
}

// Between the last layer and the loss: run_head of tensor/layers.cc.
std::vector<MemoryItem> at_head(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  if (shape.accumulates) items.push_back({kGradients, "gradients", s.parameters * kFloat});
  add_layers(s, s.layers, items);
  items.push_back({kActivations, "final_norm.x", s.rows * s.width * kFloat});
  items.push_back({kActivations, "hidden", s.rows * s.width * s.element()});
  items.push_back({kGradients, "hidden.gradient", s.rows * s.width * s.element()});
  items.push_back({kGradients, "head.gradient", s.embedding() * kFloat});
  const double chunk = std::clamp(std::floor(kLogitsPerChunk / s.vocabulary), 1.0, s.rows);
  items.push_back({kLogits, "logits of a chunk", chunk * s.vocabulary * s.element()});
  // The float32 gradient is added to in place; the rounded one is a product first, which torch
  // widens as a whole before it adds.
  const double part = chunk * s.width * s.element();
  items.push_back({kBuffers, "head.product",
                   s.is_rounded ? std::max(part, s.embedding() * (kBFloat16 + kFloat)) : part});
  return items;
}

// In the backward pass of a layer, `before` of the others are still to come.
std::vector<MemoryItem> at_backward(const StepShape& shape, const Sizes& s, double before) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  add_layers(s, before + 1, items);
  const double done = s.layers - before - 1;
  items.push_back({kGradients, "head.gradient", s.embedding() * kFloat});
  items.push_back({kGradients, "gradients of layers",
                   (shape.accumulates ? s.layers : done) * s.layer_matrices() * kFloat});
  items.push_back({kGradients, "gradients of the residual stream", 2 * s.rows * s.width * kFloat});
  const double inner = s.rows * s.inner * s.element();
  items.push_back({kBuffers, "gradients inside the layer", (s.is_gated ? 2 : 1) * inner});
  return items;
}

// When every gradient is there: the embedding's own beside the head's, then the update.
std::vector<MemoryItem> at_update(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  items.push_back({kGradients, "gradients", s.parameters * kFloat});
  double buffers = shape.model.tied_embeddings ? s.embedding() * kFloat : 0;
  if (shape.optimizer.rule == optim::Rule::kMuon) {
    const bool is_rounded = shape.optimizer.muon.precision == Precision::kBFloat16;
    const double element = is_rounded ? kBFloat16 : kFloat;
    const double largest = s.width * std::max({s.inner, s.queries, s.is_gpt2 ? 3 * s.width : 0.0});
    const double gram = s.width * s.width;
    buffers = std::max(buffers, largest * kFloat * 2 + (2 * largest + 2 * gram) * element);
  }
  items.push_back({kBuffers, "update", buffers});
  return items;
}

}  // namespace

std::string_view memory_kind_name(MemoryKind kind) {
  constexpr std::array<std::string_view, kNumMemoryKinds> kNames = {
      "weights", "gradients", "states", "activations", "logits", "buffers"};
  return kNames[static_cast<std::size_t>(kind)];
}

double MemoryPlan::bytes() const {
  double sum = 0;
  for (const MemoryItem& item : items) sum += item.bytes;
  return sum;
}

double MemoryPlan::bytes(MemoryKind kind) const {
  double sum = 0;
  for (const MemoryItem& item : items) sum += item.kind == kind ? item.bytes : 0;
  return sum;
}

MemoryPlan plan_memory(const StepShape& shape) {
  ok_or_throw(model::validate(shape.model));
  const Sizes s(shape);
  MemoryPlan most{.moment = "head", .items = at_head(shape, s)};
  const auto consider = [&](const char* moment, std::vector<MemoryItem> items) {
    MemoryPlan found{.moment = moment, .items = std::move(items)};
    if (found.bytes() > most.bytes()) most = std::move(found);
  };
  for (double before = 0; before < s.layers; ++before) {
    consider("backward", at_backward(shape, s, before));
  }
  consider("update", at_update(shape, s));
  return most;
}

}  // namespace panal::train
