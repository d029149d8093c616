// What a Decoder holds: its parameters by name, and the same handles sorted into layers, so that
// the forward pass reads as the architecture does.
#pragma once

#include <torch/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/decoder.h"
#include "model/detail/shared_rows.h"
#include "recipe/model_config.h"
#include "recipe/parameter_table.h"
#include "recipe/recompute.h"
#include "tensor/linear.h"
#include "tensor/named_tensor.h"
#include "tensor/precision.h"
#include "tensor/recompute.h"

namespace panal::model::detail {

/// One linear layer, with its adapter when it has one.
struct LinearLayer {
  std::string module;    // "model.layers.0.self_attn.q_proj"
  at::Tensor weight{};   // [out, in], or [in, out] when is_in_out; float32 or bfloat16.
  at::Tensor rounded{};  // bfloat16 copy of a float32 weight for training, or undefined.
  at::Tensor bias{};     // [out], or undefined.
  bool is_in_out = false;
  at::Tensor adapter_down{};  // A [rank, in], or undefined.
  at::Tensor adapter_up{};    // B [out, rank]
  double adapter_scale = 1.0;

  std::int64_t in_width() const { return weight.size(is_in_out ? 0 : 1); }
  std::int64_t out_width() const { return weight.size(is_in_out ? 1 : 0); }
  /// remake: of x; or empty. Under an adapter x is kept in any case.
  at::Tensor operator()(const at::Tensor& x, tensor::Precision precision,
                        const tensor::Remake& remake) const;
};

struct Norm {
  at::Tensor weight{};
  at::Tensor bias{};  // Undefined for RMSNorm.
};

/// LLaMA uses q, k, v, o, up and down, and gate where it is gated; GPT-2 uses qkv, o, up and down.
struct Layer {
  Norm attention_norm, feed_forward_norm;
  Norm q_norm{}, k_norm{};  // Over head_width; undefined without QK-norm.
  LinearLayer q, k, v, qkv, o, gate, up, down;
};

/// cos and sin of position * frequency: [context, head_width / 2] each, as transformers computes
/// them in float32.
struct RotaryTable {
  at::Tensor cosine, sine;
};
RotaryTable rotary_table(const recipe::ModelConfig& config);

}  // namespace panal::model::detail

namespace panal::model {

struct Decoder::State {
  recipe::ModelConfig config;
  std::vector<recipe::ParameterSpec> table;
  std::map<std::string, at::Tensor> tensors;  // By Hugging Face name.
  std::vector<detail::Layer> layers;          // Handles to the same storage.
  detail::Norm final_norm;
  at::Tensor token_embedding, position_embedding, head;
  at::Tensor rounded_head;  // As LinearLayer::rounded.
  tensor::Precision training_precision = tensor::Precision::kFloat32;
  recipe::Recompute recompute = recipe::Recompute::kNone;
  detail::RotaryTable rotary;
  std::optional<LoraConfig> lora;
  mutable std::vector<at::Tensor> log_sum_exp;  // Of each layer's attention, [B, heads, T], of the
                                                // last hidden().

  State(recipe::ModelConfig config, std::map<std::string, at::Tensor> tensors);
  /// The hidden state [B, T, width] after the last norm. kBFloat16 needs the rounded copies.
  /// Without adapters it has the type that `precision` names, else float32. first_keys: undefined,
  /// or as Decoder::loss() has them.
  at::Tensor hidden(const at::Tensor& tokens, tensor::Precision precision,
                    const at::Tensor& first_keys) const;
  /// The same of each distinct output of the rows: [1, U, width].
  at::Tensor hidden(const detail::SharedRows& rows, tensor::Precision precision) const;
  /// positions: of each token for learnt ones, or undefined where they count from 0 in each row.
  at::Tensor embedded(const at::Tensor& tokens, const at::Tensor& positions) const;
  /// The head as products see it.
  tensor::Weight head_weight(tensor::Precision precision) const;
  /// Makes the rounded copies, or brings those of trainable weights up to date.
  void round_weights();
  /// The linear layers whose names are in `targets`, in order. Throws Error for a name nobody has.
  std::vector<detail::LinearLayer*> targeted(const std::vector<std::string>& targets);
  std::vector<const detail::LinearLayer*> adapted() const;
};

}  // namespace panal::model
