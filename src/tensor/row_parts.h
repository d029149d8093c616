// Sums over rows, made in parts: which rows a part has depends on the shape alone, and parts are
// added in order, so that a sum is the same for any number of threads.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/compute_pool.h"

namespace panal::tensor {

class RowParts {
 public:
  /// Parts of `rows` rows of `width` elements.
  RowParts(std::int64_t rows, std::int64_t width)
      : rows_(rows),
        rows_per_part_(std::max(
            {kernels::rows_per_chunk(width), (rows + kMost - 1) / kMost, std::int64_t{1}})) {}

  /// Memory for a sum of `elements` numbers in each part: [parts, elements] float32, which zeroed()
  /// fills.
  at::Tensor sums_of(std::int64_t elements) const {
    return at::empty({(rows_ + rows_per_part_ - 1) / rows_per_part_, elements}, at::kFloat);
  }

  /// Calls body(begin, end, part) for the rows of each part, spread over the compute threads.
  template <typename Body>
  void for_each(const Body& body) const {
    kernels::for_chunks(rows_, rows_per_part_, [&](std::int64_t begin, std::int64_t end, int) {
      body(begin, end, begin / rows_per_part_);
    });
  }

  /// Where a part adds up, zeros so far; null when `sums` is undefined.
  static float* zeroed(const at::Tensor& sums, std::int64_t part) {
    if (!sums.defined()) return nullptr;
    float* const begin = sums.data_ptr<float>() + part * sums.size(1);
    std::fill_n(begin, sums.size(1), 0.0f);
    return begin;
  }

 private:
  // Each costs memory of the size of the sum.
  static constexpr std::int64_t kMost = 8;

  std::int64_t rows_, rows_per_part_;
};

}  // namespace panal::tensor
