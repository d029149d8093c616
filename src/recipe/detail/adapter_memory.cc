#include "recipe/detail/adapter_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "recipe/parameter_shapes.h"
#include "recipe/process_shares.h"

namespace panal::recipe::detail {
namespace {

using enum MemoryKind;
using tensor::Precision;

constexpr double kFloat = 4, kBFloat16 = 2, kLong = 8;

// An adapter's two matrices over one linear layer.
struct Adapted {
  std::string module;      // "model.layers.0.self_attn.q_proj"
  double in = 0, out = 0;  // Widths.
};

// The linear layers of the model that the targets name, in order; all without targets.
std::vector<Adapted> adapted_layers(const StepShape& shape) {
  constexpr std::string_view kWeight = ".weight";
  const std::vector<std::string>& targets = shape.adapter->targets;
  std::set<std::string> unused(targets.begin(), targets.end());
  std::vector<Adapted> found;
  for (const ParameterShape& parameter : parameter_shapes(shape.model)) {
    if (!is_hidden_matrix(parameter.name, parameter.shape.size())) continue;
    const std::string module = parameter.name.substr(0, parameter.name.size() - kWeight.size());
    bool is_wanted = targets.empty();
    for (const std::string& target : targets) {
      if (!is_target_of(target, module)) continue;
      unused.erase(target);
      is_wanted = true;
    }
    if (!is_wanted) continue;
    const bool is_in_out = shape.model.architecture == Architecture::kGpt2;
    const auto rows = static_cast<double>(parameter.shape[0]),
               columns = static_cast<double>(parameter.shape[1]);
    const Adapted layer{
        .module = module, .in = is_in_out ? rows : columns, .out = is_in_out ? columns : rows};
    const auto most = static_cast<std::int64_t>(std::min(layer.in, layer.out));
    PANAL_REQUIRE(shape.adapter->rank >= 1 && shape.adapter->rank <= most,
                  fmt::format("LoRA rank must be 1 to {} for {}, found {}", most, module,
                              shape.adapter->rank));
    found.push_back(layer);
  }
  PANAL_REQUIRE(unused.empty(), fmt::format("LoRA target \"{}\" is no linear layer of the core",
                                            unused.empty() ? "" : *unused.begin()));
  return found;
}

// Collects what a step holds.
class AdapterPlan {
 public:
  AdapterPlan(const StepShape& shape, int rank)
      : shape_(shape),
        model_(shape.model),
        adapted_(adapted_layers(shape)),
        is_gpt2_(model_.architecture == Architecture::kGpt2),
        is_rounded_(shape.precision == Precision::kBFloat16),
        rows_(rows_of(shape, rank)),
        width_(static_cast<double>(model_.width)),
        inner_(static_cast<double>(model_.feed_forward_width)),
        queries_(static_cast<double>(model_.heads * model_.head_width)),
        keys_(static_cast<double>(model_.key_value_heads * model_.head_width)),
        vocabulary_(static_cast<double>(model_.vocabulary_size)),
        rank_(static_cast<double>(shape.adapter->rank)),
        adapters_(num_adapter_parameters(shape)),
        own_(process_shares(adapter_parameters(shape), shape.optimizer,
                            shape.processes)[static_cast<std::size_t>(rank)]
                 .hidden),
        leads_(rank == 0) {}

  MemoryPlan most() const {
    MemoryPlan most{.moment = "head", .items = at_head()};
    const auto consider = [&](const char* moment, std::vector<MemoryItem> items) {
      MemoryPlan found{.moment = moment, .items = std::move(items)};
      if (found.bytes() > most.bytes()) most = std::move(found);
    };
    consider("backward", at_backward());
    consider("update", at_update());
    return most;
  }

 private:
  static double rows_of(const StepShape& shape, int rank) {
    const auto [first, last] = rows_of_rank(shape.sequences, rank, shape.processes);
    return static_cast<double>((last - first) * shape.context);
  }
  double element() const { return is_rounded_ ? kBFloat16 : kFloat; }
  double state_bytes() const {
    return optimizer_state_bytes(shape_.optimizer, shape_.optimizer.rule);
  }
  // Of the layer at `index`, whether an adapter lies over one of these.
  bool is_adapted(std::int64_t index, std::initializer_list<std::string_view> names) const {
    const std::string part =
        std::string(is_gpt2_ ? "transformer.h." : "model.layers.") + std::to_string(index) + ".";
    return std::ranges::any_of(adapted_, [&](const Adapted& layer) {
      return layer.module.starts_with(part) &&
             std::ranges::any_of(
                 names, [&](std::string_view name) { return is_target_of(name, layer.module); });
    });
  }

  std::vector<MemoryItem> lasting() const {
    const auto parameters = static_cast<double>(model_.num_parameters());
    std::vector<MemoryItem> items = {{kWeights, "weights of the core", parameters * kFloat},
                                     {kWeights, "weights of the adapters", adapters_ * kFloat},
                                     {kStates, "states of the adapters", own_ * state_bytes()},
                                     {kBuffers, "tokens and targets", 3 * rows_ * kLong}};
    if (is_rounded_) {
      items.push_back({kWeights, "weights.rounded",
                       static_cast<double>(model_.num_matrix_parameters()) * kBFloat16});
    }
    if (shape_.copies_state && leads_)
      items.push_back({kBuffers, "checkpoint's copy", adapters_ * (kFloat + state_bytes())});
    if (!is_gpt2_) {
      items.push_back({kBuffers, "rotary table",
                       static_cast<double>(model_.context_length * model_.head_width) * kFloat});
    }
    return items;
  }

  // What one layer keeps from its forward pass; all float32 between products. The first layer keeps
  // little before its first adapter: nothing there wants a gradient.
  std::vector<MemoryItem> kept_by_layer(std::int64_t index, bool keeps_all) const {
    std::vector<MemoryItem> kept;
    bool flows = index > 0;  // Gradients, to what comes before.
    const auto keep = [&](const char* name, double columns, bool is_kept = true) {
      if (is_kept) kept.push_back({kActivations, name, rows_ * columns * kFloat});
    };
    const double heads = static_cast<double>(model_.heads), statistics = is_gpt2_ ? 2 : 1;
    keep("layer.stream", width_, flows || !keeps_all);
    if (!keeps_all) {
      keep("layer.attention.log_sum_exp", heads);
      return kept;
    }
    keep("layer.attention_norm.statistics", statistics, flows);
    const bool is_input_kept = is_adapted(index, {"q_proj", "k_proj", "v_proj", "c_attn"});
    keep("layer.attention.input", width_, is_input_kept);
    flows |= is_input_kept;
    keep("layer.attention.q_and_k_before_norm", queries_ + keys_, flows && model_.qk_norm);
    keep("layer.attention.q, k and v", queries_ + 2 * keys_, flows);
    keep("layer.attention.log_sum_exp", heads);
    const bool is_output_adapted = is_adapted(index, {"o_proj", "attn.c_proj"});
    keep("layer.attention.output", queries_, flows || is_output_adapted);
    flows |= is_output_adapted;
    keep("layer.middle", width_);
    keep("layer.feed_forward_norm.statistics", statistics, flows);
    const bool is_inner_adapted = is_adapted(index, {"gate_proj", "up_proj", "c_fc"});
    keep("layer.feed_forward.input", width_, is_inner_adapted);
    flows |= is_inner_adapted;
    keep("layer.feed_forward.gate", inner_, flows && model_.is_gated());
    keep("layer.feed_forward.up", inner_, flows);
    keep("layer.feed_forward.inner", inner_, is_adapted(index, {"down_proj", "mlp.c_proj"}));
    return kept;
  }

  // Of all layers together, with what every adapter keeps: its low-rank input, its rows.
  void add_layers(std::vector<MemoryItem>& items) const {
    const bool keeps_all = shape_.recompute != Recompute::kFull;
    for (std::int64_t index = 0; index < model_.layers; ++index) {
      for (MemoryItem& item : kept_by_layer(index, keeps_all)) {
        const auto same = std::ranges::find(items, item.name, &MemoryItem::name);
        if (same != items.end()) {
          same->bytes += item.bytes;
        } else {
          items.push_back(std::move(item));
        }
      }
    }
    if (keeps_all) items.push_back({kActivations, "adapters.low and up", low_rank_bytes(0)});
  }
  double low_rank_bytes(std::int64_t layers) const {
    double bytes = 0;
    const auto count = layers == 0 ? adapted_.size()
                                   : adapted_.size() / static_cast<std::size_t>(model_.layers) *
                                         static_cast<std::size_t>(layers);
    for (std::size_t i = 0; i < count; ++i) bytes += (rows_ + adapted_[i].out) * rank_ * kFloat;
    return bytes;
  }

  // Between the last layer and the loss: run_head of tensor/layers.cc. A frozen head has no
  // gradient.
  std::vector<MemoryItem> at_head() const {
    std::vector<MemoryItem> items = lasting();
    if (shape_.accumulates) items.push_back({kGradients, "gradients", adapters_ * kFloat});
    add_layers(items);
    items.push_back({kActivations, "final_norm.x", rows_ * width_ * kFloat});
    items.push_back({kActivations, "hidden", rows_ * width_ * kFloat});
    if (is_rounded_) items.push_back({kBuffers, "hidden.rounded", rows_ * width_ * kBFloat16});
    items.push_back({kGradients, "hidden.gradient", rows_ * width_ * kFloat});
    const double most = logits_per_chunk(shape_);
    const double chunk = std::clamp(std::floor(most / vocabulary_), 1.0, rows_);
    items.push_back({kLogits, "logits of a chunk", chunk * vocabulary_ * element()});
    items.push_back({kBuffers, "head.product", chunk * width_ * element()});
    return items;
  }

  // In the backward pass of the last layer, when most others are still to come.
  std::vector<MemoryItem> at_backward() const {
    std::vector<MemoryItem> items = lasting();
    add_layers(items);
    const std::int64_t last = model_.layers - 1;
    if (shape_.recompute == Recompute::kFull) {
      for (MemoryItem& item : kept_by_layer(last, true)) {
        if (item.name == "layer.stream") continue;  // It is there already.
        item.name += ", again";
        items.push_back(std::move(item));
      }
      items.push_back({kActivations, "adapters.low and up, again", low_rank_bytes(1)});
    }
    items.push_back({kGradients, "gradients",
                     (shape_.accumulates ? 1.0 : 1.0 / static_cast<double>(model_.layers)) *
                         adapters_ * kFloat});
    items.push_back({kGradients, "gradients of the residual stream", 2 * rows_ * width_ * kFloat});
    // Of inner, gate and up, where inner itself went before.
    const double parts =
        (model_.is_gated() ? 3 : 2) - (is_adapted(last, {"down_proj", "mlp.c_proj"}) ? 1 : 0);
    items.push_back({kBuffers, "gradients inside the layer", parts * rows_ * inner_ * kFloat});
    return items;
  }

  std::vector<MemoryItem> at_update() const {
    std::vector<MemoryItem> items = lasting();
    items.push_back({kGradients, "gradients", adapters_ * kFloat});
    return items;
  }

  const StepShape& shape_;
  const ModelConfig& model_;
  const std::vector<Adapted> adapted_;
  const bool is_gpt2_, is_rounded_;
  const double rows_, width_, inner_, queries_, keys_, vocabulary_, rank_, adapters_, own_;
  const bool leads_;
};

}  // namespace

MemoryPlan plan_adapter_memory(const StepShape& shape, int rank) {
  return AdapterPlan(shape, rank).most();
}

std::vector<ParameterShape> adapter_parameters(const StepShape& shape) {
  std::vector<ParameterShape> parameters;
  const std::int64_t rank = shape.adapter->rank;
  for (const Adapted& layer : adapted_layers(shape)) {
    const auto in = static_cast<std::int64_t>(layer.in), out = static_cast<std::int64_t>(layer.out);
    const std::string name = "base_model.model." + layer.module;
    parameters.push_back({name + ".lora_A.weight", {rank, in}});
    parameters.push_back({name + ".lora_B.weight", {out, rank}});
  }
  return parameters;
}

double num_adapter_parameters(const StepShape& shape) {
  double elements = 0;
  for (const Adapted& layer : adapted_layers(shape))
    elements += static_cast<double>(shape.adapter->rank) * (layer.in + layer.out);
  return elements;
}

double adapter_flops_per_token(const StepShape& shape) {
  return shape.model.training_flops_per_token(shape.context) -
         2.0 * static_cast<double>(shape.model.num_matrix_parameters()) +
         6.0 * num_adapter_parameters(shape);
}

}  // namespace panal::recipe::detail
