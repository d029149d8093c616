#include "weights/tensor_info.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

namespace panal::weights {
namespace {

using NamedType = std::pair<DataType, std::string_view>;

constexpr std::array<NamedType, 18> kNames = {{
    {DataType::kF32, "F32"},
    {DataType::kF16, "F16"},
    {DataType::kBF16, "BF16"},
    {DataType::kF64, "F64"},
    {DataType::kQ4_0, "Q4_0"},
    {DataType::kQ4_1, "Q4_1"},
    {DataType::kQ5_0, "Q5_0"},
    {DataType::kQ5_1, "Q5_1"},
    {DataType::kQ8_0, "Q8_0"},
    {DataType::kI8, "I8"},
    {DataType::kU8, "U8"},
    {DataType::kI16, "I16"},
    {DataType::kU16, "U16"},
    {DataType::kI32, "I32"},
    {DataType::kU32, "U32"},
    {DataType::kI64, "I64"},
    {DataType::kU64, "U64"},
    {DataType::kBool, "BOOL"},
}};

}  // namespace

std::string_view data_type_name(DataType type) {
  for (const auto& [known, name] : kNames) {
    if (known == type) return name;
  }
  return "unknown";
}

std::optional<DataType> data_type_from_name(std::string_view name) {
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

bool is_readable_as_float32(DataType type) {
  switch (type) {
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kF64:
    case DataType::kQ4_0:
    case DataType::kQ4_1:
    case DataType::kQ5_0:
    case DataType::kQ5_1:
    case DataType::kQ8_0:
      return true;
    default:
      return false;
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace panal::weights
