// What a Newton-Schulz iteration needs beside the library's products (Jordan et al., "Muon", 2024):
// the normalised start, and X X^T, which is symmetric, from half the tiles. Both do `count`
// matrices of one shape that lie one behind the other. Matrices are row-major bits of bfloat16,
// sums float32.
#pragma once

#include <cstdint>

#include "kernels/cuda/update.h"

namespace panal::kernels::cuda {

/// out = matrix / (factor * sqrt(square_total) + epsilon), transposed where is_transposed, so that
/// its rows are the shorter side. out: [count, rows, columns] bfloat16, or [count, columns, rows].
struct Normalise {
  Numbers matrices{};  // [count, rows, columns]
  std::int64_t count = 1, rows = 0, columns = 0;
  const float* square_totals = nullptr;  // [count], device memory; from SquareTotal.
  float factor = 1, epsilon = 0;
  bool is_transposed = false;
  std::uint16_t* out = nullptr;
};

/// out [n, n] = product_factor * X X^T + addend_factor * addend, for X [n, k] and a symmetric
/// addend [n, n] or null, of each of `count`. Only tiles on or below the diagonal are computed, on
/// tensor cores; the rest are mirrored, so out is exactly symmetric. With X symmetric this is also
/// b X + c X X, the polynomial of an iteration. n^2 k + n k FLOPs and rounding of whole tiles of
/// 128.
struct SymmetricProduct {
  const std::uint16_t* x = nullptr;
  std::int64_t count = 1, n = 0, k = 0;
  const std::uint16_t* addend = nullptr;
  float product_factor = 1, addend_factor = 0;
  std::uint16_t* out = nullptr;  // Not x or addend.
};

}  // namespace panal::kernels::cuda
