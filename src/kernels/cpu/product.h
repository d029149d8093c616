// Large matrix products in float32, or in bfloat16 with float32 sums, for CPUs that multiply pairs
// of bfloat16 in one instruction. The right factor is packed into panels of 48 columns that stay in
// the cache; the left one is read where it lies, or transposed piece by piece. Each sum runs over
// the steps in order, so results do not depend on how a product is cut for threads. Plain pointers,
// one thread a call; the caller packs first, then computes groups of rows. Source: Goto and van de
// Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
#pragma once

#include <cstddef>
#include <cstdint>

namespace panal::kernels::cpu {

constexpr std::int64_t kProductGroup = 64;  // Rows that are computed together.
constexpr std::int64_t kProductPanel = 48;  // Columns of a packed panel.

/// A factor of a product over `steps`: element (row, step) lies at data[row * stride + step], or
/// where is_transposed at data[step * stride + row]. Columns count as rows of the right factor.
template <typename Element>
struct ProductFactor {
  const Element* data = nullptr;
  std::int64_t stride = 0;
  bool is_transposed = false;
};

/// Where sums [rows, columns] go: before + bias + sums.
template <typename Element>
struct ProductTarget {
  Element* rounded = nullptr;     // In the factors' type, or null.
  float* floats = nullptr;        // Else float32.
  std::int64_t stride = 0;        // Of either, from one row to the next.
  const float* before = nullptr;  // [rows, columns], or null; may be `floats`.
  std::int64_t before_stride = 0;
  const float* bias = nullptr;  // [columns], or null.
};

/// Whether these are the fastest products known for this CPU: it has the instruction, and no matrix
/// tiles (AMX), which only the libraries use.
bool are_products_fastest();

/// Elements that `columns` columns of `steps` steps take when packed.
std::int64_t packed_elements(std::int64_t columns, std::int64_t steps);
/// Elements of scratch that a group of rows of a transposed left factor takes.
std::int64_t transposed_elements(std::int64_t steps);

/// One of `parts` about equal shares of the work, cut where memory is read in order.
struct ProductShare {
  std::int64_t part = 0, parts = 1;
};
/// Packs that share of `columns` columns of `steps` steps (even for bfloat16).
void pack_share(const ProductFactor<float>& right, std::int64_t columns, std::int64_t steps,
                ProductShare share, float* packed);
void pack_share(const ProductFactor<std::uint16_t>& right, std::int64_t columns, std::int64_t steps,
                ProductShare share, std::uint16_t* packed);

/// rows (1 to 64) rows of `left`, which starts there, times panels [first_panel, last_panel) of a
/// packed right factor of `columns` columns. `target` points at the first row, column 0.
/// `transposed` is scratch of transposed_elements(steps), used only for a transposed left factor.
template <typename Element>
struct ProductGroup {
  ProductFactor<Element> left;
  std::int64_t rows = 0, columns = 0, steps = 0;
  const Element* packed = nullptr;
  std::int64_t first_panel = 0, last_panel = 0;
  ProductTarget<Element> target;
  Element* transposed = nullptr;
};
void multiply_group(const ProductGroup<float>& group);
void multiply_group(const ProductGroup<std::uint16_t>& group);

}  // namespace panal::kernels::cpu
