// Rows of tokens that begin alike: what they have in common is computed once.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <span>

namespace panal::model::detail {

/// A token's output depends on itself and the tokens before it, so equal beginnings have equal
/// outputs. All but the attention works on U distinct outputs, in no special order; the attention
/// sees whole rows.
struct SharedRows {
  std::int64_t rows = 0, length = 0;  // B and T.
  at::Tensor tokens{};                // [1, U] int64
  at::Tensor positions{};             // [1, U] int64, within their rows.
  at::Tensor place{};                 // [B * T] int64: which of the U is there; 0 where none is.
  at::Tensor first_place{};           // [U] int64: a place in B * T where each is.

  /// [1, U, C] -> [B, T, C]
  at::Tensor spread(const at::Tensor& values) const;
  /// [B, T, C] -> [1, U, C]
  at::Tensor gathered(const at::Tensor& values) const;
};

/// tokens [B, T] int64 on the CPU; positions, counted row by row, are those whose outputs are
/// wanted: what no one of them sees is left out. U is at least 1. Cost: one lookup per token.
SharedRows share_rows(const at::Tensor& tokens, std::span<const std::int64_t> positions,
                      const c10::Device& device);

}  // namespace panal::model::detail
