// What opening a GGUF file leaves in memory: where each metadata value lies, and the checked tensor
// table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "weights/tensor_info.h"

namespace panal::weights::detail {

/// Type numbers of metadata values, as stored.
enum class GgufType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// "uint32", for messages.
std::string_view gguf_type_name(GgufType type);
/// Bytes of one value; 0 for strings and arrays, whose size varies.
std::uint64_t gguf_type_bytes(GgufType type);

struct GgufValue {
  GgufType type = GgufType::kUint8;
  GgufType element = GgufType::kUint8;  // Of an array.
  std::uint64_t count = 1;              // Of an array.
  std::uint64_t offset_bytes = 0;       // Of the value, or of an array's first element.
};

struct GgufIndex {
  std::string path = {};
  std::uint32_t version = 0;
  std::vector<std::string> keys = {};  // In file order.
  std::unordered_map<std::string, GgufValue> values = {};
  std::vector<TensorInfo> tensors = {};
  std::unordered_map<std::string, std::size_t> tensor_by_name = {};
};

/// Reads and checks everything before the tensor data, and that all tensor data lies in the file.
Result<GgufIndex> index_gguf(std::span<const std::byte> bytes, std::string path);

}  // namespace panal::weights::detail
