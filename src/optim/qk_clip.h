// QK-clip, the part of MuonClip beside Muon: attention logits that grow too large are brought back
// by scaling the queries' and keys' weights of their head. Source: Moonshot, "Kimi K2", 2025
// (arXiv 2507.20534); grouped heads as Megatron-LM has them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "recipe/optimizer.h"
#include "tensor/update.h"

namespace panal::optim {

/// One projection: its weight and, where there is one, its bias [outputs] float32. A fused c_attn
/// holds several: `first_output` is where this one begins.
struct ClippedProjection {
  tensor::ExactParameter weight{};  // [outputs, inputs], or GPT-2's [inputs, outputs].
  bool has_outputs_last = false;    // GPT-2's form.
  std::int64_t first_output = 0;
  at::Tensor bias{};
};

struct ClippedAttention {
  ClippedProjection queries{};
  ClippedProjection keys{};
  std::int64_t heads = 1;
  std::int64_t key_value_heads = 1;  // Divides heads.
  std::int64_t head_width = 1;
};

/// After an update: for each group of query heads with one key head, gamma = min(1, threshold / S)
/// for the largest S of its heads; queries are scaled by gamma^alpha, keys by gamma^(1 - alpha).
///
/// largest_logits  [heads], of the last forward pass, scaled as the softmax sees them. The
///                 attention's log-sum-exp serves too: it is at least the largest logit and at most
///                 ln(T) above it, so it clips a little early. A value that is not finite leaves
///                 its group alone.
/// Returns the number of groups that were scaled. Throws Error for shapes that do not fit or
/// settings out of range. Rotary positions commute with the scaling; a model with normalized
/// queries and keys has no use for it.
std::int64_t clip_queries_and_keys(const ClippedAttention& attention,
                                   std::span<const float> largest_logits,
                                   const recipe::QkClipConfig& config);

}  // namespace panal::optim
