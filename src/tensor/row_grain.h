// How finely rows are divided among the compute threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace panal::tensor {

/// Elements per thread below which a second thread costs more than it gives.
constexpr std::int64_t kElementsPerThread = 1 << 14;

/// The same in rows of `width` elements.
inline std::int64_t row_grain(std::int64_t width) {
  return std::max<std::int64_t>(1, kElementsPerThread / width);
}

}  // namespace panal::tensor
