// A core prepared for serving: fused and packed weights that never change, and adapters over them.
#pragma once

#include <torch/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/detail/adapter.h"
#include "model/detail/decoder_state.h"
#include "recipe/model_config.h"
#include "tensor/packed_weight.h"
#include "weights/weight_source.h"

namespace panal::model::detail {

/// Linear layers that read the same input, as one weight: q, k and v, or gate and up.
struct FusedLinear {
  struct Part {
    std::string module;
    std::int64_t begin = 0;  // First output column.
    std::int64_t width = 0;
  };
  std::optional<tensor::PackedWeight> weight;
  at::Tensor bias{};  // [out], or undefined.
  std::vector<Part> parts;
};

struct ServingLayer {
  Norm attention_norm, feed_forward_norm;
  Norm q_norm{}, k_norm{};       // Over head_width; undefined without QK-norm.
  FusedLinear qkv, o, up, down;  // `up` holds gate and up where the model is gated.
};

struct ServingCore {
  recipe::ModelConfig config;
  std::vector<ServingLayer> layers;
  Norm final_norm;
  at::Tensor token_embedding, position_embedding;
  std::optional<tensor::PackedWeight> head;
  RotaryTable rotary;

  std::vector<LinearShape> linear_shapes() const;
};

Result<ServingCore> load_serving_core(const weights::WeightSource& source,
                                      recipe::ModelConfig config);

/// An adapter's share in one fused linear layer. Empty where the adapter has none.
struct FusedAdapter {
  struct Part {
    std::int64_t begin = 0;      // First output column.
    std::int64_t low_begin = 0;  // First of its rows in `down`.
    at::Tensor up{};             // scale * B transposed: [rank, width]
  };
  at::Tensor down{};  // The parts' A, one over the other: [parts * rank, in]
  std::vector<Part> parts;
};

struct ServingAdapter {
  std::string name;
  std::vector<FusedAdapter> linears;  // Four per layer: qkv, o, up, down.
};

ServingAdapter make_serving_adapter(const ServingCore& core, std::string name,
                                    const Adapter& adapter);

/// y[rows begin to begin + count] += the adapter's part for the same rows of x. Both contiguous.
void add_adapter(const FusedAdapter& adapter, const at::Tensor& x, at::Tensor& y,
                 std::int64_t begin, std::int64_t count);

}  // namespace panal::model::detail
