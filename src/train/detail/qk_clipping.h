// QK-clip over a whole model: which weights are whose queries and keys, and the largest attention
// logits since the last update.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "optim/optimizer.h"
#include "optim/qk_clip.h"
#include "recipe/model_config.h"
#include "tensor/named_tensor.h"

namespace panal::train::detail {

class QkClipping {
 public:
  /// Keeps handles of the parameters and, for bfloat16 ones, of their remainders in the optimizer's
  /// state. Throws Error when a layer has no queries and keys among the parameters.
  QkClipping(const recipe::QkClipConfig& config, const recipe::ModelConfig& model,
             std::span<const tensor::NamedTensor> parameters, const optim::Optimizer& optimizer);

  /// model::Decoder::attention_maxima() of a forward pass: an update's bounds are the largest over
  /// its passes.
  void note(const std::vector<std::vector<float>>& maxima);
  /// What note() found, layer by layer: for ranks to agree on the largest. [layers * heads].
  std::span<float> largest_logits() { return largest_; }
  /// As if no pass had been noted since the last update.
  void forget();
  /// After the update: scales what is over the threshold and forgets. Returns how many groups of
  /// heads were scaled.
  std::int64_t clip();

 private:
  const recipe::QkClipConfig config_;
  std::vector<optim::ClippedAttention> layers_;
  std::vector<float> largest_;
};

}  // namespace panal::train::detail
