#include "model/detail/decoder_state.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "recipe/parameter_shapes.h"
#include "tensor/attention.h"
#include "tensor/embedding.h"
#include "tensor/layers.h"
#include "tensor/linear.h"
#include "tensor/residual.h"
#include "tensor/slices.h"

namespace panal::model {

using tensor::Precision;

namespace detail {
namespace {

// The stretch of Llama 3.1: low frequencies divided by the factor, high ones kept, a smooth passage
// between.
at::Tensor stretched(const at::Tensor& frequencies, const recipe::RopeScaling& scaling) {
  if (scaling.kind == recipe::RopeScaling::Kind::kNone) return frequencies;
  if (scaling.kind == recipe::RopeScaling::Kind::kLinear) return frequencies / scaling.factor;
  const auto length = static_cast<double>(scaling.original_context_length);
  const at::Tensor wavelength = 2 * std::numbers::pi / frequencies;
  const at::Tensor slow = frequencies / scaling.factor;
  const at::Tensor blend = (length / wavelength - scaling.low_frequency_factor) /
                           (scaling.high_frequency_factor - scaling.low_frequency_factor);
  const at::Tensor smooth = (1 - blend) * slow + blend * frequencies;
  const at::Tensor is_slow = wavelength > length / scaling.low_frequency_factor;
  const at::Tensor is_fast = wavelength < length / scaling.high_frequency_factor;
  return at::where(is_slow, slow, at::where(is_fast, frequencies, smooth));
}

}  // namespace

RotaryTable rotary_table(const recipe::ModelConfig& config) {
  if (config.architecture != recipe::Architecture::kLlama) return {};
  const at::Tensor exponents =
      at::arange(0, config.head_width, 2, at::kLong).to(at::kFloat) / config.head_width;
  const at::Tensor frequencies =
      stretched(1.0 / at::pow(at::Scalar(config.rope_base), exponents), config.rope_scaling);
  const at::Tensor positions = at::arange(config.context_length, at::kFloat);
  const at::Tensor angles = positions.unsqueeze(1) * frequencies.unsqueeze(0);  // [context, half]
  return {.cosine = angles.cos().contiguous(), .sine = angles.sin().contiguous()};
}

namespace {

// What products in `precision` see of a weight and its rounded copy, if there is one. A bfloat16
// weight is widened for float32, and given back after the product.
tensor::Weight weight_for(Precision precision, const at::Tensor& weight, const at::Tensor& rounded,
                          bool is_in_out) {
  const auto oriented = [&](const at::Tensor& matrix) { return is_in_out ? matrix.t() : matrix; };
  if (precision == Precision::kFloat32) return {.value = oriented(weight.to(at::kFloat))};
  if (!rounded.defined()) return {.value = oriented(weight)};
  return {.value = oriented(weight), .rounded = oriented(rounded)};
}

}  // namespace

at::Tensor LinearLayer::operator()(const at::Tensor& x, Precision precision,
                                   const tensor::Remake& remake) const {
  const tensor::Weight read = weight_for(precision, weight, rounded, is_in_out);
  if (!adapter_down.defined()) return tensor::linear(x, read, bias, remake);
  const at::Tensor y = tensor::linear_with_adapter(
      x, read, {.down = adapter_down, .up = adapter_up, .scale = adapter_scale});
  return bias.defined() ? y + bias : y;
}

}  // namespace detail

namespace {

using detail::Layer;
using detail::LinearLayer;
using detail::Norm;

void fill_llama_layer(const std::map<std::string, at::Tensor>& tensors, std::int64_t index,
                      Layer& layer) {
  const std::string name = fmt::format("model.layers.{}.", index);
  const auto linear = [&](const char* part) {
    LinearLayer made{.module = name + part, .weight = tensors.at(name + part + ".weight")};
    const auto bias = tensors.find(name + part + ".bias");
    if (bias != tensors.end()) made.bias = bias->second;
    return made;
  };
  layer.attention_norm.weight = tensors.at(name + "input_layernorm.weight");
  layer.feed_forward_norm.weight = tensors.at(name + "post_attention_layernorm.weight");
  layer.q = linear("self_attn.q_proj");
  layer.k = linear("self_attn.k_proj");
  layer.v = linear("self_attn.v_proj");
  layer.o = linear("self_attn.o_proj");
  if (tensors.contains(name + "mlp.gate_proj.weight")) layer.gate = linear("mlp.gate_proj");
  if (tensors.contains(name + "self_attn.q_norm.weight")) {
    layer.q_norm.weight = tensors.at(name + "self_attn.q_norm.weight");
    layer.k_norm.weight = tensors.at(name + "self_attn.k_norm.weight");
  }
  layer.up = linear("mlp.up_proj");
  layer.down = linear("mlp.down_proj");
}

void fill_gpt2_layer(const std::map<std::string, at::Tensor>& tensors, std::int64_t index,
                     Layer& layer) {
  const std::string name = fmt::format("transformer.h.{}.", index);
  const auto linear = [&](const char* part) {
    return LinearLayer{.module = name + part,
                       .weight = tensors.at(name + part + ".weight"),
                       .bias = tensors.at(name + part + ".bias"),
                       .is_in_out = true};
  };
  layer.attention_norm = {tensors.at(name + "ln_1.weight"), tensors.at(name + "ln_1.bias")};
  layer.feed_forward_norm = {tensors.at(name + "ln_2.weight"), tensors.at(name + "ln_2.bias")};
  layer.qkv = linear("attn.c_attn");
  layer.o = linear("attn.c_proj");
  layer.up = linear("mlp.c_fc");
  layer.down = linear("mlp.c_proj");
}

// What every layer of a pass shares.
struct Pass {
  const Decoder::State& state;
  at::Tensor first_keys;                       // Undefined, or as Decoder::loss() has them.
  Precision precision;                         // Of products.
  Precision between;                           // Of what flows between them.
  recipe::Recompute recompute;                 // kSelective or kNone: within a layer.
  const detail::SharedRows* shared = nullptr;  // Where outputs are those of rows that share them.

  bool is_selective() const { return recompute == recipe::Recompute::kSelective; }
  tensor::Normed norm(const at::Tensor& x, const at::Tensor& delta, const Norm& weights) const {
    return tensor::add_norm(
        x, delta,
        {.weight = weights.weight, .bias = weights.bias, .epsilon = state.config.norm_epsilon},
        between);
  }
  // The normed values once more, from the sum that the norm keeps for itself.
  tensor::Remake remake_of(const tensor::Normed& normed, const Norm& weights) const {
    if (!is_selective()) return {};
    return [this_norm = *this, sum = normed.sum.detach(), &weights] {
      return this_norm.norm(sum, {}, weights).values;
    };
  }
};

at::Tensor activated(const recipe::ModelConfig& config, const at::Tensor& gate,
                     const at::Tensor& up) {
  if (config.is_gated()) return tensor::swiglu(gate, up);
  return config.actual_activation() == recipe::Activation::kReluSquared ? tensor::relu_squared(up)
                                                                        : tensor::gelu(up);
}

at::Tensor feed_forward(const Pass& pass, const Layer& layer, const at::Tensor& x,
                        const tensor::Remake& remake) {
  const recipe::ModelConfig& config = pass.state.config;
  const at::Tensor gate = config.is_gated() ? layer.gate(x, pass.precision, remake) : at::Tensor();
  const at::Tensor up = layer.up(x, pass.precision, remake);
  tensor::Remake inner;
  if (pass.is_selective()) {
    inner = [&config, gate = gate.defined() ? gate.detach() : gate, up = up.detach()] {
      return activated(config, gate, up);
    };
  }
  return layer.down(activated(config, gate, up), pass.precision, inner);
}

// [B, T, heads * width] -> [B, T, heads, width]: normed over each head where the model does so, and
// rotated by the positions.
at::Tensor rotated_heads(const Pass& pass, const at::Tensor& y, std::int64_t heads,
                         const Norm& norm) {
  const Decoder::State& state = pass.state;
  const auto rotated = [&state, heads, &norm](const at::Tensor& x) {
    return tensor::rotate_heads(x.view({x.size(0), x.size(1), heads, state.config.head_width}),
                                norm.weight, state.config.norm_epsilon, state.rotary.cosine,
                                state.rotary.sine);
  };
  // The norm keeps its float32 input; what the product gave is all that is needed.
  if (!norm.weight.defined() || !pass.is_selective()) return rotated(y);
  return tensor::recomputed(
             [rotated](const at::Tensor& x) { return tensor::PartResult{.values = {rotated(x)}}; },
             y)
      .values[0];
}

tensor::Attended attend(const Pass& pass, const Layer& layer, const at::Tensor& x,
                        const tensor::Remake& remake) {
  const recipe::ModelConfig& config = pass.state.config;
  const auto product = [&](const LinearLayer& linear) {
    const at::Tensor y = linear(x, pass.precision, remake);
    return pass.shared == nullptr ? y : pass.shared->spread(y);
  };
  tensor::Attended attended;
  if (config.architecture == recipe::Architecture::kGpt2) {
    attended = tensor::causal_attention(product(layer.qkv), config.heads, pass.first_keys);
  } else {
    const at::Tensor v = product(layer.v);
    attended = tensor::causal_attention(
        rotated_heads(pass, product(layer.q), config.heads, layer.q_norm),
        rotated_heads(pass, product(layer.k), config.key_value_heads, layer.k_norm),
        v.view({v.size(0), v.size(1), config.key_value_heads, config.head_width}), pass.first_keys);
  }
  if (pass.shared != nullptr) attended.values = pass.shared->gathered(attended.values);
  return attended;
}

// The residual stream between layers: what it is, is stream + delta, which the next norm adds.
struct Stream {
  at::Tensor stream;   // [B, T, width] float32
  at::Tensor delta{};  // Undefined, or what the last half gave.
  at::Tensor log_sum_exp{};
};

Stream through_layer(const Pass& pass, const Layer& layer, const Stream& in) {
  const tensor::Normed before = pass.norm(in.stream, in.delta, layer.attention_norm);
  const tensor::Attended attended =
      attend(pass, layer, before.values, pass.remake_of(before, layer.attention_norm));
  const tensor::Normed middle =
      pass.norm(before.sum, layer.o(attended.values, pass.precision, {}), layer.feed_forward_norm);
  return {.stream = middle.sum,
          .delta = feed_forward(pass, layer, middle.values,
                                pass.remake_of(middle, layer.feed_forward_norm)),
          .log_sum_exp = attended.log_sum_exp};
}

// The same, keeping nothing but the sum that goes in.
Stream through_layer_again(const Pass& pass, const Layer& layer, Stream in) {
  if (in.delta.defined()) in = {.stream = in.stream + in.delta};
  const tensor::PartResult made = tensor::recomputed(
      [pass, &layer](const at::Tensor& stream) {
        const Stream out = through_layer(pass, layer, {.stream = stream});
        return tensor::PartResult{.values = {out.stream, out.delta}, .beside = out.log_sum_exp};
      },
      in.stream);
  return {.stream = made.values[0], .delta = made.values[1], .log_sum_exp = made.beside};
}

void require_fit(std::int64_t length, const recipe::ModelConfig& config) {
  PANAL_REQUIRE(length <= config.context_length,
                fmt::format("tokens: wanted at most {} (the context length), found {}",
                            config.context_length, length));
}

template <typename Visit>
void for_each_linear(std::vector<Layer>& layers, Visit&& visit) {
  for (Layer& layer : layers) {
    for (LinearLayer* linear : {&layer.q, &layer.k, &layer.v, &layer.qkv, &layer.o, &layer.gate,
                                &layer.up, &layer.down}) {
      if (linear->weight.defined()) visit(*linear);
    }
  }
}

}  // namespace

Decoder::State::State(recipe::ModelConfig model_config,
                      std::map<std::string, at::Tensor> model_tensors)
    : config(std::move(model_config)),
      table(recipe::parameter_table(config)),
      tensors(std::move(model_tensors)),
      rotary(detail::rotary_table(config)) {
  const bool llama = config.architecture == recipe::Architecture::kLlama;
  layers.resize(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    Layer& layer = layers[static_cast<std::size_t>(i)];
    if (llama) {
      fill_llama_layer(tensors, i, layer);
    } else {
      fill_gpt2_layer(tensors, i, layer);
    }
  }
  token_embedding = tensors.at(llama ? "model.embed_tokens.weight" : "transformer.wte.weight");
  final_norm.weight = tensors.at(llama ? "model.norm.weight" : "transformer.ln_f.weight");
  if (!llama) {
    final_norm.bias = tensors.at("transformer.ln_f.bias");
    position_embedding = tensors.at("transformer.wpe.weight");
  }
  for (at::Tensor* table : {&rotary.cosine, &rotary.sine}) {
    if (table->defined()) *table = table->to(token_embedding.device());
  }
  head = config.tied_embeddings ? token_embedding : tensors.at("lm_head.weight");
}

tensor::Weight Decoder::State::head_weight(Precision precision) const {
  return detail::weight_for(precision, head, rounded_head, false);
}

at::Tensor Decoder::State::embedded(const at::Tensor& tokens, const at::Tensor& positions) const {
  const at::Tensor x = config.tied_embeddings
                           ? tensor::embedding_of_shared(token_embedding, tokens)
                           : tensor::embedding(token_embedding, tokens);  // [B, T, C]
  if (config.architecture == recipe::Architecture::kLlama) return x;
  if (!positions.defined()) return x + position_embedding.narrow(0, 0, tokens.size(1));
  return x + tensor::embedding(position_embedding, positions);
}

at::Tensor Decoder::State::hidden(const at::Tensor& tokens, Precision precision,
                                  const at::Tensor& first_keys) const {
  PANAL_REQUIRE(tokens.dim() == 2 && tokens.scalar_type() == at::kLong && tokens.numel() > 0,
                "tokens: wanted an int64 tensor [B, T] with at least one token");
  require_fit(tokens.size(1), config);
  const bool is_full = recompute == recipe::Recompute::kFull && at::GradMode::is_enabled();
  // What flows between products is rounded as they are, but under adapters, which are float32.
  const Pass pass{
      .state = *this,
      .first_keys = first_keys,
      .precision = precision,
      .between = lora ? Precision::kFloat32 : precision,
      .recompute = at::GradMode::is_enabled() && !is_full ? recompute : recipe::Recompute::kNone};
  // Learnt positions count from the start of each document.
  const at::Tensor positions = first_keys.defined()
                                   ? at::arange(tokens.size(1), tokens.options()) - first_keys
                                   : at::Tensor();
  Stream stream{.stream = embedded(tokens, positions)};
  log_sum_exp.clear();
  for (const Layer& layer : layers) {
    stream = is_full ? through_layer_again(pass, layer, std::move(stream))
                     : through_layer(pass, layer, stream);
    log_sum_exp.push_back(std::move(stream.log_sum_exp));
  }
  return pass.norm(stream.stream, stream.delta, final_norm).values;
}

at::Tensor Decoder::State::hidden(const detail::SharedRows& rows, Precision precision) const {
  require_fit(rows.length, config);
  const Pass pass{.state = *this,
                  .first_keys = {},
                  .precision = precision,
                  .between = lora ? Precision::kFloat32 : precision,
                  .recompute = recipe::Recompute::kNone,
                  .shared = &rows};
  Stream stream{.stream = embedded(rows.tokens, rows.positions)};
  for (const Layer& layer : layers) stream = through_layer(pass, layer, stream);
  return pass.norm(stream.stream, stream.delta, final_norm).values;
}

void Decoder::State::round_weights() {
  if (training_precision != Precision::kBFloat16) return;
  const auto round = [&](const at::Tensor& weight, at::Tensor& rounded) {
    if (weight.scalar_type() == at::kBFloat16) return;
    if (!rounded.defined()) {
      rounded = tensor::converted(weight.detach(), at::kBFloat16);
    } else if (weight.requires_grad()) {
      tensor::convert_into(rounded, weight.detach());
    }
  };
  for_each_linear(layers, [&](LinearLayer& linear) { round(linear.weight, linear.rounded); });
  round(head, rounded_head);
}

std::vector<LinearLayer*> Decoder::State::targeted(const std::vector<std::string>& targets) {
  const std::vector<std::string> wanted = targets.empty() ? recipe::linear_names(config) : targets;
  std::set<std::string> unused(wanted.begin(), wanted.end());
  std::vector<LinearLayer*> found;
  for_each_linear(layers, [&](LinearLayer& linear) {
    bool matched = false;
    for (const std::string& name : wanted) {
      if (!recipe::is_target_of(name, linear.module)) continue;
      unused.erase(name);
      matched = true;
    }
    if (matched) found.push_back(&linear);
  });
  PANAL_REQUIRE(unused.empty(),
                fmt::format("LoRA target \"{}\" is no linear layer of a {} model; there are: {}",
                            unused.empty() ? "" : *unused.begin(),
                            recipe::architecture_name(config.architecture),
                            fmt::join(recipe::linear_names(config), ", ")));
  return found;
}

std::vector<const LinearLayer*> Decoder::State::adapted() const {
  std::vector<const LinearLayer*> found;
  for_each_linear(const_cast<State*>(this)->layers, [&](LinearLayer& linear) {
    if (linear.adapter_down.defined()) found.push_back(&linear);
  });
  return found;
}

}  // namespace panal::model
