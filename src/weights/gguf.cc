// Metadata values are decoded from the mapping when they are asked for: an array of 49,152 tokens
// costs nothing until then. All offsets were checked at opening.
#include "weights/gguf.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <utility>

#include "store/git_lfs.h"
#include "weights/detail/byte_cursor.h"
#include "weights/detail/decode.h"
#include "weights/detail/gguf_index.h"

namespace panal::weights {
namespace {

using detail::GgufIndex;
using detail::GgufType;
using detail::GgufValue;

template <typename T>
T load(std::span<const std::byte> bytes, std::uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool is_integer(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kUint16:
    case GgufType::kInt16:
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kUint64:
    case GgufType::kInt64:
      return true;
    default:
      return false;
  }
}

bool is_number(GgufType type) {
  return is_integer(type) || type == GgufType::kFloat32 || type == GgufType::kFloat64;
}

/// The integer at an offset; a uint64 over the range of int64 comes back negative and is refused by
/// the caller.
std::int64_t integer_at(std::span<const std::byte> bytes, GgufType type, std::uint64_t offset) {
  switch (type) {
    case GgufType::kUint8:
      return load<std::uint8_t>(bytes, offset);
    case GgufType::kInt8:
      return load<std::int8_t>(bytes, offset);
    case GgufType::kUint16:
      return load<std::uint16_t>(bytes, offset);
    case GgufType::kInt16:
      return load<std::int16_t>(bytes, offset);
    case GgufType::kUint32:
      return load<std::uint32_t>(bytes, offset);
    case GgufType::kInt32:
      return load<std::int32_t>(bytes, offset);
    default:
      return load<std::int64_t>(bytes, offset);
  }
}

double number_at(std::span<const std::byte> bytes, GgufType type, std::uint64_t offset) {
  if (type == GgufType::kFloat32) return load<float>(bytes, offset);
  if (type == GgufType::kFloat64) return load<double>(bytes, offset);
  if (type == GgufType::kUint64) return static_cast<double>(load<std::uint64_t>(bytes, offset));
  return static_cast<double>(integer_at(bytes, type, offset));
}

std::string described(const GgufValue& value) {
  if (value.type != GgufType::kArray) return std::string(detail::gguf_type_name(value.type));
  return fmt::format("an array of {} {}", value.count, detail::gguf_type_name(value.element));
}

Status wrong_type(const GgufIndex& index, std::string_view key, std::string_view wanted,
                  const GgufValue& value) {
  return Status(Code::kInvalidArgument, fmt::format("{}: metadata {} must be {}, found {}",
                                                    index.path, key, wanted, described(value)));
}

Result<GgufValue> find_value(const GgufIndex& index, std::string_view key) {
  const auto found = index.values.find(std::string(key));
  if (found == index.values.end()) {
    return Status(Code::kNotFound, fmt::format("{}: metadata {} is missing", index.path, key));
  }
  return found->second;
}

/// The value when it is an array whose elements `is_wanted` accepts.
template <typename IsWanted>
Result<GgufValue> find_array(const GgufIndex& index, std::string_view key, std::string_view wanted,
                             IsWanted is_wanted) {
  PANAL_ASSIGN(const GgufValue value, find_value(index, key));
  if (value.type != GgufType::kArray || !is_wanted(value.element)) {
    return wrong_type(index, key, wanted, value);
  }
  return value;
}

}  // namespace

GgufFile::GgufFile(store::MappedFile file, std::unique_ptr<GgufIndex> index)
    : file_(std::move(file)), index_(std::move(index)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  PANAL_ASSIGN(store::MappedFile file, store::MappedFile::open(path));
  const std::string_view text{reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size()};
  PANAL_TRY(store::refuse_lfs_pointer(text, path));
  PANAL_ASSIGN(GgufIndex index, detail::index_gguf(file.bytes(), path.string()));
  return GgufFile(std::move(file), std::make_unique<GgufIndex>(std::move(index)));
}

std::filesystem::path GgufFile::path() const { return index_->path; }
std::uint32_t GgufFile::version() const { return index_->version; }
std::uint64_t GgufFile::file_bytes() const { return file_.bytes().size(); }
std::span<const std::string> GgufFile::keys() const { return index_->keys; }
bool GgufFile::has(std::string_view key) const { return index_->values.contains(std::string(key)); }

Result<std::string_view> GgufFile::string_view_at(std::uint64_t offset) const {
  detail::ByteCursor cursor(file_.bytes(), index_->path);
  cursor.seek(offset);
  return cursor.read_string("a metadata string");
}

Result<std::string> GgufFile::string(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_value(*index_, key));
  if (value.type != GgufType::kString) return wrong_type(*index_, key, "a string", value);
  PANAL_ASSIGN(const std::string_view text, string_view_at(value.offset_bytes));
  return std::string(text);
}

Result<std::int64_t> GgufFile::integer(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_value(*index_, key));
  if (!is_integer(value.type)) return wrong_type(*index_, key, "an integer", value);
  const std::int64_t found = integer_at(file_.bytes(), value.type, value.offset_bytes);
  if (value.type == GgufType::kUint64 && found < 0) {
    return wrong_type(*index_, key, "an integer below 2^63", value);
  }
  return found;
}

Result<double> GgufFile::number(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_value(*index_, key));
  if (!is_number(value.type)) return wrong_type(*index_, key, "a number", value);
  return number_at(file_.bytes(), value.type, value.offset_bytes);
}

Result<bool> GgufFile::boolean(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_value(*index_, key));
  if (value.type != GgufType::kBool) return wrong_type(*index_, key, "true or false", value);
  const auto stored = load<std::uint8_t>(file_.bytes(), value.offset_bytes);
  if (stored > 1) {
    return Status(Code::kCorrupt, fmt::format("{}: metadata {} must be 0 or 1, found {} at byte {}",
                                              index_->path, key, stored, value.offset_bytes));
  }
  return stored == 1;
}

Result<std::vector<std::string_view>> GgufFile::string_views(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value,
               find_array(*index_, key, "an array of strings",
                          [](GgufType type) { return type == GgufType::kString; }));
  std::vector<std::string_view> texts;
  texts.reserve(value.count);
  std::uint64_t offset = value.offset_bytes;
  for (std::uint64_t i = 0; i < value.count; ++i) {
    PANAL_ASSIGN(const std::string_view text, string_view_at(offset));
    offset += sizeof(std::uint64_t) + text.size();
    texts.push_back(text);
  }
  return texts;
}

Result<std::vector<std::string>> GgufFile::strings(std::string_view key) const {
  PANAL_ASSIGN(const std::vector<std::string_view> views, string_views(key));
  return std::vector<std::string>(views.begin(), views.end());
}

Result<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_array(*index_, key, "an array of integers", is_integer));
  std::vector<std::int64_t> integers(value.count);
  const std::uint64_t step = detail::gguf_type_bytes(value.element);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    integers[i] = integer_at(file_.bytes(), value.element, value.offset_bytes + i * step);
    if (value.element == GgufType::kUint64 && integers[i] < 0) {
      return wrong_type(*index_, key, "an array of integers below 2^63", value);
    }
  }
  return integers;
}

Result<std::vector<float>> GgufFile::numbers(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value, find_array(*index_, key, "an array of numbers", is_number));
  std::vector<float> numbers(value.count);
  const std::uint64_t step = detail::gguf_type_bytes(value.element);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    numbers[i] =
        static_cast<float>(number_at(file_.bytes(), value.element, value.offset_bytes + i * step));
  }
  return numbers;
}

Result<std::int64_t> GgufFile::array_length(std::string_view key) const {
  PANAL_ASSIGN(const GgufValue value,
               find_array(*index_, key, "an array", [](GgufType) { return true; }));
  return static_cast<std::int64_t>(value.count);
}

std::span<const TensorInfo> GgufFile::tensors() const { return index_->tensors; }

const TensorInfo* GgufFile::find(std::string_view name) const {
  const auto found = index_->tensor_by_name.find(std::string(name));
  return found == index_->tensor_by_name.end() ? nullptr : &index_->tensors[found->second];
}

Result<std::span<const std::byte>> GgufFile::raw_bytes(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) {
    return Status(Code::kNotFound, fmt::format("{}: there is no tensor {}", index_->path, name));
  }
  return file_.bytes().subspan(info->offset_bytes, info->data_bytes);
}

Status GgufFile::read_float32(std::string_view name, std::span<float> out) const {
  PANAL_ASSIGN(const std::span<const std::byte> stored, raw_bytes(name));
  return detail::decode(*find(name), stored, out, index_->path);
}

}  // namespace panal::weights
