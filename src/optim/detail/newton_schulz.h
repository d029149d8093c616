// The matrix half of Muon and its kin: replacing a matrix by the nearest orthogonal one.
#pragma once

#include <cstdint>
#include <string_view>

#include "optim/optimizer.h"

namespace at {
class Tensor;
}

namespace panal::optim::detail {

/// Replaces matrices by ones with the same singular vectors and singular values near 1, by the
/// quintic iteration X <- a X + b (X X^T) X + c (X X^T)^2 X on X / |X|.
///
/// matrices  [count, rows, columns] float32, finite, any strides. Returns the same shape and type,
///           not necessarily contiguous.
/// Steps, precision and polynomials are the config's; nothing else of it is used.
/// Cost      count * steps * (4 n^2 m + 2 n^3) FLOPs, n = shorter side, m = longer side.
/// Source    Jordan et al. 2024, who iterate in bfloat16; kFloat32 is exact where that is slow.
///           Amsel et al., "The Polar Express", 2025: (a, b, c) differ per step.
at::Tensor orthogonalize(const at::Tensor& matrices, const recipe::MuonConfig& config);

/// GPT-2's files hold its linear layers as [inputs, outputs] (Conv1D).
bool is_stored_transposed(std::string_view name);
/// A matrix, or several of them, as [..., outputs, inputs]: a view; its own inverse.
at::Tensor outputs_first(std::string_view name, const at::Tensor& matrix);
/// How many matrices a parameter holds one above the other when outputs come first: 3 for a fused
/// Q, K, V when the config splits it, else 1.
std::int64_t num_blocks(std::string_view name, const recipe::MuonConfig& config);
/// orthogonalize() of each of `blocks` equal blocks of rows, of each matrix [count, rows, columns].
at::Tensor orthogonalize_blocks(const at::Tensor& matrices, std::int64_t blocks,
                                const recipe::MuonConfig& config);
/// recipe::MuonScale's factor for a matrix [rows, columns] of that many blocks.
double update_scale(recipe::MuonScale scale, const at::Tensor& matrix, std::int64_t blocks);

}  // namespace panal::optim::detail
