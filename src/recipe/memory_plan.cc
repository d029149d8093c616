#include "recipe/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "recipe/detail/adapter_memory.h"
#include "recipe/process_shares.h"
#include "tensor/step_sizes.h"

namespace panal::recipe {
namespace {

using enum MemoryKind;
using tensor::Precision;

constexpr double kFloat = 4, kBFloat16 = 2, kLong = 8;
constexpr auto kElementsBeside = static_cast<double>(tensor::kElementsBeside);
constexpr auto kElementsTogether = static_cast<double>(tensor::kElementsTogether);

// The dimensions as doubles: products of them leave the range of 32 bits, and of patience.
struct Sizes {
  Sizes(const StepShape& shape, int rank)
      : is_gpt2(shape.model.architecture == Architecture::kGpt2),
        is_gated(shape.model.is_gated()),
        is_tied(shape.model.tied_embeddings),
        has_qk_norm(shape.model.qk_norm),
        is_rounded(shape.precision == Precision::kBFloat16),
        has_rounded_weights(shape.weights == Precision::kBFloat16),
        is_shared(shape.processes > 1),
        gathers(is_shared && rank == 0),
        rows(rows_of(shape, rank)),
        width(static_cast<double>(shape.model.width)),
        inner(static_cast<double>(shape.model.feed_forward_width)),
        queries(static_cast<double>(shape.model.heads * shape.model.head_width)),
        keys(static_cast<double>(shape.model.key_value_heads * shape.model.head_width)),
        heads(static_cast<double>(shape.model.heads)),
        vocabulary(static_cast<double>(shape.model.vocabulary_size)),
        positions(is_gpt2 ? static_cast<double>(shape.model.context_length) : 0),
        layers(static_cast<double>(shape.model.layers)),
        parameters(static_cast<double>(shape.model.num_parameters())),
        whole({.hidden = hidden(),
               .embedding = embedding(),
               .positions = positions * width,
               .head = is_tied ? 0 : embedding(),
               .vectors = vectors(),
               .largest_hidden = largest()}),
        own(is_shared ? process_shares(shape.model, shape.optimizer,
                                       shape.processes)[static_cast<std::size_t>(rank)]
                      : whole) {}

  static double rows_of(const StepShape& shape, int rank) {
    const auto [first, last] = rows_of_rank(shape.sequences, rank, shape.processes);
    return static_cast<double>((last - first) * shape.context);
  }

  double embedding() const { return vocabulary * width; }
  // Weights that products read: the layers' and the head's.
  double layer_matrices() const {
    return width * (2 * queries + 2 * keys) + (is_gated ? 3 : 2) * width * inner;
  }
  double hidden() const { return layers * layer_matrices(); }
  double tables() const { return (is_tied ? 1 : 2) * embedding() + positions * width; }
  double vectors() const { return parameters - hidden() - tables(); }
  // The largest hidden matrix.
  double largest() const { return width * std::max({inner, queries, is_gpt2 ? 3 * width : 0.0}); }
  double element() const { return is_rounded ? kBFloat16 : kFloat; }  // What products read.
  double weight() const { return has_rounded_weights ? kBFloat16 : kFloat; }
  // Of weights, or of their gradients.
  double bytes_of(const ProcessShare& share) const {
    return share.matrices() * weight() + share.vectors * kFloat;
  }
  double all_parameters() const { return bytes_of(whole); }

  bool is_gpt2, is_gated, is_tied, has_qk_norm, is_rounded, has_rounded_weights;
  bool is_shared, gathers;
  double rows, width, inner, queries, keys, heads, vocabulary, positions, layers, parameters;
  ProcessShare whole, own;  // What all update, and what this process does.
};

// What one layer keeps from its forward pass for its backward pass, by the names of
// model/detail/decoder_state.cc.
std::vector<MemoryItem> kept_by_layer(const Sizes& s, Recompute recompute) {
  std::vector<MemoryItem> kept;
  const auto keep = [&](const char* name, double columns, double bytes) {
    kept.push_back({kActivations, name, s.rows * columns * bytes});
  };
  const double element = s.element();
  const bool keeps_all = recompute == Recompute::kNone;
  keep("layer.stream", s.width, kFloat);
  if (recompute == Recompute::kFull) {
    keep("layer.attention.log_sum_exp", s.heads, kFloat);
    return kept;
  }
  keep("layer.attention_norm.statistics", s.is_gpt2 ? 2 : 1, kFloat);
  if (keeps_all) keep("layer.attention.input", s.width, element);
  if (s.has_qk_norm) {
    keep("layer.attention.q_and_k_before_norm", s.queries + s.keys, keeps_all ? kFloat : element);
  }
  keep("layer.attention.q", s.queries, element);
  keep("layer.attention.k", s.keys, element);
  keep("layer.attention.v", s.keys, element);
  keep("layer.attention.log_sum_exp", s.heads, kFloat);
  keep("layer.attention.output", s.queries, element);
  keep("layer.middle", s.width, kFloat);
  keep("layer.feed_forward_norm.statistics", s.is_gpt2 ? 2 : 1, kFloat);
  if (keeps_all) keep("layer.feed_forward.input", s.width, element);
  if (s.is_gated) keep("layer.feed_forward.gate", s.inner, element);
  keep("layer.feed_forward.up", s.inner, element);
  if (keeps_all) keep("layer.feed_forward.inner", s.inner, element);
  return kept;
}

// The rule of a table (embedding, head): a line of the rules that names it, or AdamW. Lines for
// hidden matrices are left out of the plan: their rules differ little in what they hold.
Rule rule_of_table(const OptimizerConfig& config, std::string_view name) {
  for (const Assignment& line : config.assignments) {
    if (name.find(line.match) != std::string_view::npos) return line.rule;
  }
  return Rule::kAdamW;
}

std::vector<MemoryItem> states(const StepShape& shape, const Sizes& s, const ProcessShare& share) {
  const OptimizerConfig& config = shape.optimizer;
  const double of_hidden = optimizer_state_bytes(config, config.rule);
  const double remainder = s.has_rounded_weights ? kBFloat16 : 0;
  std::vector<MemoryItem> items;
  if (shape.streams_states) {
    // The two largest states, tables, go through one room (optim/detail/state_stream.h).
    const auto name = s.is_gpt2 ? "transformer.wte.weight" : "model.embed_tokens.weight";
    const double of_table = optimizer_state_bytes(config, rule_of_table(config, name));
    const double matrix = s.largest() * (of_hidden + remainder);
    const double table = s.embedding() * (of_table + remainder);
    items.push_back(
        {kBuffers, "states of two parameters, on their way", matrix + std::max(matrix, table)});
    return items;
  }
  const auto of_table = [&](const char* name, double count) {
    items.push_back({kStates, std::string("states of ") + name,
                     count * optimizer_state_bytes(config, rule_of_table(config, name))});
  };
  items.push_back({kStates, fmt::format("{} states of hidden matrices", rule_name(config.rule)),
                   share.hidden * of_hidden});
  of_table(s.is_gpt2 ? "transformer.wte.weight" : "model.embed_tokens.weight", share.embedding);
  if (s.is_gpt2) of_table("transformer.wpe.weight", share.positions);
  if (!s.is_tied) of_table("lm_head.weight", share.head);
  items.push_back({kStates, "adamw states of vectors",
                   share.vectors * optimizer_state_bytes(config, Rule::kAdamW)});
  if (s.has_rounded_weights) {
    items.push_back({kStates, "remainders of weights", share.matrices() * remainder});
  }
  return items;
}

double state_bytes_of_all(const StepShape& shape, const Sizes& s) {
  double bytes = 0;
  for (const MemoryItem& item : states(shape, s, s.whole)) {
    bytes += item.kind == kStates ? item.bytes : 0;
  }
  return bytes;
}

// Gradients between the backward pass and the ring: on a CUDA device, or between two, only those
// that are added up in another type than they have.
double elements_on_their_way(const StepShape& shape, const Sizes& s) {
  const double largest = largest_bucket(shape.model);
  if (!shape.is_on_gpu) return largest;
  return s.has_rounded_weights ? std::min<double>(largest, tensor::kPassingElements) : 0;
}

void add_lasting(const StepShape& shape, const Sizes& s, std::vector<MemoryItem>& items) {
  items.push_back({kWeights, "weights", s.all_parameters()});
  if (s.is_rounded && !s.has_rounded_weights) {
    items.push_back({kWeights, "weights.rounded", (s.hidden() + s.embedding()) * kBFloat16});
  }
  for (MemoryItem& item : states(shape, s, s.own)) items.push_back(std::move(item));
  if (shape.copies_state && (s.gathers || !s.is_shared)) {
    items.push_back(
        {kBuffers, "checkpoint's copy", s.all_parameters() + state_bytes_of_all(shape, s)});
  }
  if (s.is_shared) {
    items.push_back({kBuffers, "gradients on their way", elements_on_their_way(shape, s) * kFloat});
  }
  if (!s.is_gpt2) {
    const auto half = static_cast<double>(shape.model.head_width) / 2;
    items.push_back({kBuffers, "rotary table",
                     2 * static_cast<double>(shape.model.context_length) * half * kFloat});
  }
  items.push_back({kBuffers, "tokens and targets", 3 * s.rows * kLong});
}

void add_layers(const Sizes& s, Recompute recompute, double layers,
                std::vector<MemoryItem>& items) {
  for (MemoryItem& item : kept_by_layer(s, recompute)) {
    item.bytes *= layers;
    item.name += fmt::format(" x {:.0f}", layers);
    items.push_back(std::move(item));
  }
}

// Between the last layer and the loss: run_head of tensor/layers.cc.
std::vector<MemoryItem> at_head(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  if (shape.accumulates) items.push_back({kGradients, "gradients", s.all_parameters()});
  add_layers(s, shape.recompute, s.layers, items);
  items.push_back({kActivations, "final_norm.x", s.rows * s.width * kFloat});
  items.push_back({kActivations, "hidden", s.rows * s.width * s.element()});
  items.push_back({kGradients, "hidden.gradient", s.rows * s.width * s.element()});
  const double chunk = std::clamp(std::floor(logits_per_chunk(shape) / s.vocabulary), 1.0, s.rows);
  items.push_back({kLogits, "logits of a chunk", chunk * s.vocabulary * s.element()});
  // Several products add up in float32, a single one is the gradient of a bfloat16 head. Where the
  // libraries make bfloat16 ones, a piece of them stands beside the sum.
  const bool is_sum = chunk < s.rows || !s.has_rounded_weights;
  items.push_back({kGradients, "head.gradient", s.embedding() * (is_sum ? kFloat : kBFloat16)});
  const double part = chunk * s.width * s.element();
  items.push_back({kBuffers, "head.product",
                   is_sum && s.is_rounded
                       ? std::max(part, std::min(s.embedding(), kElementsBeside) * kBFloat16)
                       : part});
  return items;
}

// In the backward pass of a layer, `before` of the others are still to come.
std::vector<MemoryItem> at_backward(const StepShape& shape, const Sizes& s, double before) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  add_layers(s, shape.recompute, before + 1, items);
  if (shape.recompute == Recompute::kFull) {
    for (MemoryItem& item : kept_by_layer(s, Recompute::kNone)) {
      if (item.name == "layer.stream") continue;  // It is there already.
      item.name += ", again";
      items.push_back(std::move(item));
    }
  }
  const double done = s.layers - before - 1;
  // A tied head's gradient waits for the embedding's; another one is added to what earlier passes
  // left.
  const double tables =
      !shape.accumulates ? s.embedding() : s.tables() + (s.is_tied ? s.embedding() : 0);
  items.push_back({kGradients, "gradients of tables", tables * s.weight()});
  items.push_back({kGradients, "gradients of layers",
                   (shape.accumulates ? s.layers : done) * s.layer_matrices() * s.weight()});
  items.push_back({kGradients, "gradients of the residual stream", 2 * s.rows * s.width * kFloat});
  const double inner = s.rows * s.inner * s.element();
  const double parts = (s.is_gated ? 2 : 1) + (shape.recompute == Recompute::kSelective);
  items.push_back({kBuffers, "gradients inside the layer", parts * inner});
  return items;
}

// Of a tied embedding, beside the head's: its rows, or on a GPU the whole table.
double embedding_gradient(const StepShape& shape, const Sizes& s) {
  if (!s.is_tied) return 0;
  const double rows = shape.is_on_gpu ? s.vocabulary : std::min(s.rows, s.vocabulary);
  return rows * s.width * s.weight();
}

// When every gradient is there, those of other processes' tensors among them. A tied table's is
// there twice for a moment (measured): with hooks that wait for it, it is not added up in place.
std::vector<MemoryItem> at_exchange(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  items.push_back({kGradients, "gradients", s.all_parameters()});
  if (s.is_tied) items.push_back({kGradients, "embedding.gradient", s.embedding() * s.weight()});
  return items;
}

// When every gradient is there, then the update.
std::vector<MemoryItem> at_update(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  items.push_back({kGradients, "gradients", s.bytes_of(s.own)});
  double buffers = s.is_shared ? 0 : embedding_gradient(shape, s);
  if (shape.optimizer.rule.descriptor().makes_orthogonal) {
    const bool is_rounded = shape.optimizer.muon.precision == Precision::kBFloat16;
    const double element = is_rounded ? kBFloat16 : kFloat;
    const double largest = s.own.largest_hidden;
    double together = largest, gram = largest > 0 ? s.width * s.width : 0;
    if (shape.is_on_gpu && !shape.streams_states) {
      // Several matrices at once, each gram at most as large as its matrix.
      together = std::max(largest, std::min(s.own.hidden, kElementsTogether));
      gram = std::max(gram, together > largest ? together : 0);
    }
    // The directions, and beside them Newton-Schulz's matrices, or float32 copies of the change.
    buffers = std::max(
        {buffers, together * kFloat + (2 * together + 2 * gram) * element, 3 * together * kFloat});
  }
  items.push_back({kBuffers, "update", buffers});
  return items;
}

// The first process has everybody's states for as long as a checkpoint is made.
std::vector<MemoryItem> at_checkpoint(const StepShape& shape, const Sizes& s) {
  std::vector<MemoryItem> items;
  add_lasting(shape, s, items);
  items.push_back({kBuffers, "states of all processes", state_bytes_of_all(shape, s)});
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

double optimizer_state_bytes(const OptimizerConfig& config, Rule rule) {
  const double momentum = config.state_precision == Precision::kBFloat16 ? kBFloat16 : kFloat;
  const RuleDescriptor& descriptor = rule.descriptor();
  const double ahead = config.ema_nesterov.extrapolation > 0 ? momentum : 0;
  return descriptor.num_moments * momentum + descriptor.other_state_bytes + ahead;
}

double logits_per_chunk(const StepShape& shape) {
  return static_cast<double>(shape.is_on_gpu ? tensor::kLogitsPerChunkOnDevice
                                             : tensor::kLogitsPerChunk);
}

MemoryPlan plan_memory(const StepShape& shape, int rank) {
  ok_or_throw(validate(shape.model));
  PANAL_REQUIRE(shape.processes >= 1 && shape.processes <= shape.sequences && rank >= 0 &&
                    rank < shape.processes,
                fmt::format("each process must have a sequence of every pass: expected 1 to {} of "
                            "them, found rank {} of {}",
                            shape.sequences, rank, shape.processes));
  if (shape.adapter) return detail::plan_adapter_memory(shape, rank);
  const Sizes s(shape, rank);
  MemoryPlan most{.moment = "head", .items = at_head(shape, s)};
  const auto consider = [&](const char* moment, std::vector<MemoryItem> items) {
    MemoryPlan found{.moment = moment, .items = std::move(items)};
    if (found.bytes() > most.bytes()) most = std::move(found);
  };
  for (double before = 0; before < s.layers; ++before) {
    consider("backward", at_backward(shape, s, before));
  }
  consider("update", at_update(shape, s));
  if (s.is_shared) consider("exchange", at_exchange(shape, s));
  // From a GPU they go to the host's memory.
  if (s.gathers && !shape.is_on_gpu) consider("checkpoint", at_checkpoint(shape, s));
  return most;
}

}  // namespace panal::recipe
