// The JSON header of a safetensors file, parsed without building a JSON tree: a header may be 100
// MB, and a tree would also hide a name that appears twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "weights/tensor_info.h"

namespace panal::weights::detail {

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorInfo>
      tensors;  // By place in the file; offsets count from the start of the data.
};

/// Parses the header and checks that the tensors fill `data_bytes` without holes or overlaps, each
/// with the bytes its type and shape need. Errors: kCorrupt, beginning with `where`.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                                   std::string_view where);

/// Writes the header of tensors lying one after another in the order given, padded to a multiple
/// of 8.
std::string safetensors_header_text(const std::vector<TensorInfo>& tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace panal::weights::detail
