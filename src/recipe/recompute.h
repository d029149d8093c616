// How much of a forward pass is kept for its backward pass and how much is computed again.
#pragma once

#include <array>
#include <string_view>

namespace panal::recipe {

/// Losses and gradients are the same bits in each.
enum class Recompute {
  kNone,       // Everything is kept.
  kSelective,  // Kept are sums of the residual stream, outputs of products and of the attention;
               // norms, activations and casts are computed again. About a quarter less.
  kFull,       // Each layer keeps only its input and is run again: about a third more FLOPs.
};

inline constexpr std::array<std::string_view, 3> kRecomputeNames = {"none", "selective", "full"};
/// "none", "selective" or "full".
constexpr std::string_view recompute_name(Recompute recompute) {
  return kRecomputeNames[static_cast<std::size_t>(recompute)];
}

}  // namespace panal::recipe
