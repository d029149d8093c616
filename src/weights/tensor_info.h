// What every weights file says about a tensor before its values are read: its name, shape and
// stored type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace panal::weights {

/// How values are stored. The quantised types are those of GGUF: blocks of 32 values along the
/// innermost axis. kUnknown is a type this build can list but not read; TensorInfo::type_name says
/// which.
enum class DataType {
  kF32,
  kF16,
  kBF16,
  kF64,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kI8,
  kU8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64,
  kBool,
  kUnknown,
};

/// The usual name: "F32", "BF16", "Q4_1", "I64"; "unknown" for kUnknown.
std::string_view data_type_name(DataType type);
/// The inverse of data_type_name; nothing for a name nobody knows.
std::optional<DataType> data_type_from_name(std::string_view name);
/// True for the types that read_float32 turns into float32: F64, F32, F16, BF16 and the quantised
/// ones.
bool is_readable_as_float32(DataType type);

struct TensorInfo {
  std::string name = {};
  std::vector<std::int64_t> shape = {};  // Row-major, outermost first; empty for a scalar.
  DataType type = DataType::kF32;
  std::string type_name = {};      // As the file calls it: "Q4_K" where type is kUnknown.
  std::int64_t num_elements = 0;   // Product of shape; checked against the file.
  std::uint64_t offset_bytes = 0;  // Of the first stored byte, from the start of its file.
  std::uint64_t data_bytes = 0;    // Stored bytes; 0 where the type's size is not known.
};

/// "[49152, 576]", for messages.
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace panal::weights
