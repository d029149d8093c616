// Stored bytes to float32, for every type that can be read as float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "weights/tensor_info.h"

namespace panal::weights::detail {

/// `values` values take `bytes` bytes; plain types have 1 value a block.
struct BlockSize {
  std::int64_t values = 1;
  std::uint64_t bytes = 0;
};
/// Nothing for kUnknown.
std::optional<BlockSize> block_size(DataType type);

/// Product of a shape without overflow; nothing when a dimension is negative or the product passes
/// 2^62.
std::optional<std::int64_t> checked_num_elements(std::span<const std::int64_t> shape);

/// Decodes `stored`, the whole data of the tensor `info`, into out. `where` names the file.
/// Errors: kInvalidArgument for a wrong out.size(), kUnsupported for a type without a float32 form.
Status decode(const TensorInfo& info, std::span<const std::byte> stored, std::span<float> out,
              std::string_view where);

}  // namespace panal::weights::detail
