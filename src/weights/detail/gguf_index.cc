// One pass over header, metadata and tensor table. Nothing is allocated by a count the file claims:
// vectors grow with what was really found, and every entry takes bytes of the file, so memory is
// bounded by the file's size.
#include "weights/detail/gguf_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "weights/detail/byte_cursor.h"
#include "weights/detail/decode.h"

namespace panal::weights::detail {
namespace {

constexpr std::uint64_t kMaxTensors = 65536;
constexpr std::uint64_t kMaxKeys = 1'000'000;
constexpr std::size_t kMaxKeyBytes = 65535;  // The format's own limit.
constexpr std::size_t kMaxNameBytes = 1024;  // llama.cpp writes at most 64.
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr int kMaxArrayDepth = 4;

struct TypeNumber {
  std::uint32_t number;
  std::string_view name;
  DataType type;
  BlockSize block;
};

// ggml's tensor types. Those of kUnknown are only listed: their sizes are needed to find overlaps.
constexpr std::array<TypeNumber, 33> kTensorTypes = {{
    {0, "F32", DataType::kF32, {1, 4}},
    {1, "F16", DataType::kF16, {1, 2}},
    {2, "Q4_0", DataType::kQ4_0, {32, 18}},
    {3, "Q4_1", DataType::kQ4_1, {32, 20}},
    {6, "Q5_0", DataType::kQ5_0, {32, 22}},
    {7, "Q5_1", DataType::kQ5_1, {32, 24}},
    {8, "Q8_0", DataType::kQ8_0, {32, 34}},
    {9, "Q8_1", DataType::kUnknown, {32, 40}},
    {10, "Q2_K", DataType::kUnknown, {256, 84}},
    {11, "Q3_K", DataType::kUnknown, {256, 110}},
    {12, "Q4_K", DataType::kUnknown, {256, 144}},
    {13, "Q5_K", DataType::kUnknown, {256, 176}},
    {14, "Q6_K", DataType::kUnknown, {256, 210}},
    {15, "Q8_K", DataType::kUnknown, {256, 292}},
    {16, "IQ2_XXS", DataType::kUnknown, {256, 66}},
    {17, "IQ2_XS", DataType::kUnknown, {256, 74}},
    {18, "IQ3_XXS", DataType::kUnknown, {256, 98}},
    {19, "IQ1_S", DataType::kUnknown, {256, 50}},
    {20, "IQ4_NL", DataType::kUnknown, {32, 18}},
    {21, "IQ3_S", DataType::kUnknown, {256, 110}},
    {22, "IQ2_S", DataType::kUnknown, {256, 82}},
    {23, "IQ4_XS", DataType::kUnknown, {256, 136}},
    {24, "I8", DataType::kI8, {1, 1}},
    {25, "I16", DataType::kI16, {1, 2}},
    {26, "I32", DataType::kI32, {1, 4}},
    {27, "I64", DataType::kI64, {1, 8}},
    {28, "F64", DataType::kF64, {1, 8}},
    {29, "IQ1_M", DataType::kUnknown, {256, 56}},
    {30, "BF16", DataType::kBF16, {1, 2}},
    {34, "TQ1_0", DataType::kUnknown, {256, 54}},
    {35, "TQ2_0", DataType::kUnknown, {256, 66}},
    {39, "MXFP4", DataType::kUnknown, {32, 17}},
    {40, "NVFP4", DataType::kUnknown, {64, 36}},
}};

const TypeNumber* find_tensor_type(std::uint32_t number) {
  const auto found = std::ranges::find(kTensorTypes, number, &TypeNumber::number);
  return found == kTensorTypes.end() ? nullptr : &*found;
}

/// Text from a file in a message: shortened, control characters replaced.
std::string shown(std::string_view text) {
  std::string safe(text.substr(0, 60));
  for (char& letter : safe) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F) letter = '?';
  }
  return text.size() > 60 ? safe + "..." : safe;
}

/// Holds what one pass needs; each step leaves the cursor behind what it read.
class Indexer {
 public:
  Indexer(std::span<const std::byte> bytes, std::string path)
      : file_bytes_(bytes.size()), index_{.path = std::move(path)}, cursor_(bytes, index_.path) {}

  Result<GgufIndex> run() {
    PANAL_TRY(read_header());
    for (std::uint64_t i = 0; i < num_keys_; ++i) PANAL_TRY(read_entry());
    PANAL_TRY(read_alignment());
    for (std::uint64_t i = 0; i < num_tensors_; ++i) PANAL_TRY(read_tensor());
    PANAL_TRY(place_tensors());
    return std::move(index_);
  }

 private:
  Status read_header();
  Status read_entry();
  Status skip_value(GgufType type, int depth, GgufValue* value);
  Status skip_array(int depth, GgufValue* value);
  Result<GgufType> read_type();
  Status read_alignment();
  Status read_tensor();
  Result<std::vector<std::int64_t>> read_shape(std::string_view name);
  Status place_tensors();

  const std::uint64_t file_bytes_;
  GgufIndex index_;
  ByteCursor cursor_;
  std::uint64_t num_tensors_ = 0;
  std::uint64_t num_keys_ = 0;
  std::uint64_t alignment_ = 32;
};

Status Indexer::read_header() {
  PANAL_ASSIGN(const std::uint32_t magic, cursor_.read<std::uint32_t>("the GGUF header"));
  if (magic != 0x46554747u) {  // "GGUF"
    cursor_.seek(0);
    return cursor_.corrupt(fmt::format("expected the letters GGUF, found {:#010x}", magic));
  }
  PANAL_ASSIGN(index_.version, cursor_.read<std::uint32_t>("the GGUF version"));
  if (index_.version != 2 && index_.version != 3) {
    const bool is_swapped = index_.version != 0 && (index_.version & 0xFFFFu) == 0;
    return Status(
        Code::kUnsupported,
        fmt::format("{}: expected GGUF version 2 or 3, little endian, found {}", index_.path,
                    is_swapped ? "a big-endian file" : fmt::format("version {}", index_.version)));
  }
  PANAL_ASSIGN(num_tensors_, cursor_.read<std::uint64_t>("the number of tensors"));
  PANAL_ASSIGN(num_keys_, cursor_.read<std::uint64_t>("the number of metadata entries"));
  if (num_tensors_ > kMaxTensors) {
    return cursor_.corrupt(
        fmt::format("expected at most {} tensors, found a count of {}", kMaxTensors, num_tensors_));
  }
  if (num_keys_ > kMaxKeys) {
    return cursor_.corrupt(fmt::format("expected at most {} metadata entries, found a count of {}",
                                       kMaxKeys, num_keys_));
  }
  return Status();
}

Result<GgufType> Indexer::read_type() {
  PANAL_ASSIGN(const std::uint32_t number, cursor_.read<std::uint32_t>("a metadata type"));
  if (number > static_cast<std::uint32_t>(GgufType::kFloat64)) {
    return cursor_.corrupt(fmt::format("expected a metadata type from 0 to 12, found {}", number));
  }
  return static_cast<GgufType>(number);
}

Status Indexer::read_entry() {
  PANAL_ASSIGN(const std::string_view key, cursor_.read_string("a metadata key"));
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return cursor_.corrupt(fmt::format("expected a metadata key of 1 to {} bytes, found {}",
                                       kMaxKeyBytes, key.size()));
  }
  GgufValue value;
  PANAL_ASSIGN(value.type, read_type());
  value.offset_bytes = cursor_.position();
  PANAL_TRY(skip_value(value.type, 0, &value));
  if (!index_.values.emplace(std::string(key), value).second) {
    return cursor_.corrupt(
        fmt::format("metadata key {} appears twice, the second time", shown(key)));
  }
  index_.keys.emplace_back(key);
  return Status();
}

Status Indexer::skip_value(GgufType type, int depth, GgufValue* value) {
  if (type == GgufType::kString) return cursor_.read_string("a metadata string").status();
  if (type == GgufType::kArray) return skip_array(depth, value);
  return cursor_.skip(gguf_type_bytes(type), "a metadata value");
}

Status Indexer::skip_array(int depth, GgufValue* value) {
  if (depth >= kMaxArrayDepth) {
    return cursor_.corrupt(fmt::format("arrays are nested deeper than {} levels", kMaxArrayDepth));
  }
  PANAL_ASSIGN(const GgufType element, read_type());
  PANAL_ASSIGN(const std::uint64_t count, cursor_.read<std::uint64_t>("an array's length"));
  // An element that varies in size takes at least the 8 bytes of its own length.
  const std::uint64_t least_bytes = std::max<std::uint64_t>(gguf_type_bytes(element), 1);
  if (count > cursor_.remaining() / (gguf_type_bytes(element) == 0 ? 8 : least_bytes)) {
    return cursor_.corrupt(
        fmt::format("expected an array of {} {} values, but only {} bytes are left", count,
                    gguf_type_name(element), cursor_.remaining()));
  }
  if (depth == 0) {
    value->element = element;
    value->count = count;
    value->offset_bytes = cursor_.position();
  }
  if (gguf_type_bytes(element) != 0) {
    return cursor_.skip(count * gguf_type_bytes(element), "an array's values");
  }
  for (std::uint64_t i = 0; i < count; ++i) PANAL_TRY(skip_value(element, depth + 1, nullptr));
  return Status();
}

Status Indexer::read_alignment() {
  const auto found = index_.values.find("general.alignment");
  if (found == index_.values.end()) return Status();
  const std::uint64_t after_metadata = cursor_.position();
  cursor_.seek(found->second.offset_bytes);
  if (found->second.type != GgufType::kUint32) {
    return cursor_.corrupt(fmt::format("expected general.alignment as uint32, found {}",
                                       gguf_type_name(found->second.type)));
  }
  PANAL_ASSIGN(alignment_, cursor_.read<std::uint32_t>("general.alignment"));
  if (!std::has_single_bit(alignment_) || alignment_ > kMaxAlignment) {
    return cursor_.corrupt(
        fmt::format("expected general.alignment as a power of two up to {}, found {}",
                    kMaxAlignment, alignment_));
  }
  cursor_.seek(after_metadata);
  return Status();
}

Result<std::vector<std::int64_t>> Indexer::read_shape(std::string_view name) {
  PANAL_ASSIGN(const std::uint32_t num_dimensions,
               cursor_.read<std::uint32_t>("a number of dimensions"));
  if (num_dimensions > kMaxDimensions) {
    return cursor_.corrupt(fmt::format("expected tensor {} to have at most {} dimensions, found {}",
                                       shown(name), kMaxDimensions, num_dimensions));
  }
  std::vector<std::int64_t> shape(num_dimensions);
  for (std::int64_t& dimension : shape) {
    PANAL_ASSIGN(dimension, cursor_.read<std::int64_t>("a dimension"));
    if (dimension < 1) {
      return cursor_.corrupt(
          fmt::format("expected a dimension of at least 1 in tensor {}, found {}", shown(name),
                      static_cast<std::uint64_t>(dimension)));
    }
  }
  std::ranges::reverse(shape);
  return shape;
}

Status Indexer::read_tensor() {
  TensorInfo info;
  PANAL_ASSIGN(const std::string_view name, cursor_.read_string("a tensor name"));
  if (name.empty() || name.size() > kMaxNameBytes) {
    return cursor_.corrupt(fmt::format("expected a tensor name of 1 to {} bytes, found {}",
                                       kMaxNameBytes, name.size()));
  }
  info.name = name;
  PANAL_ASSIGN(info.shape, read_shape(name));
  PANAL_ASSIGN(const std::uint32_t number, cursor_.read<std::uint32_t>("a tensor type"));
  PANAL_ASSIGN(info.offset_bytes, cursor_.read<std::uint64_t>("a tensor's offset"));
  const TypeNumber* type = find_tensor_type(number);
  if (type == nullptr) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: tensor {} has the type number {}, which is unknown", index_.path,
                              shown(name), number));
  }
  const auto num_elements = checked_num_elements(info.shape);
  const std::int64_t row = info.shape.empty() ? 1 : info.shape.back();
  if (!num_elements || row % type->block.values != 0) {
    return cursor_.corrupt(fmt::format("tensor {} of type {} cannot have the shape {}", shown(name),
                                       type->name, shape_text(info.shape)));
  }
  const auto num_blocks = static_cast<std::uint64_t>(*num_elements / type->block.values);
  if (num_blocks > file_bytes_ / type->block.bytes) {
    return cursor_.corrupt(
        fmt::format("tensor {} {} of type {} needs more bytes than the file's {}", shown(name),
                    shape_text(info.shape), type->name, file_bytes_));
  }
  info.type = type->type;
  info.type_name = type->name;
  info.num_elements = *num_elements;
  info.data_bytes = num_blocks * type->block.bytes;
  if (!index_.tensor_by_name.emplace(info.name, index_.tensors.size()).second) {
    return cursor_.corrupt(fmt::format("tensor {} appears twice, the second time", shown(name)));
  }
  index_.tensors.push_back(std::move(info));
  return Status();
}

/// Turns offsets into file positions, and refuses data outside the file or in two tensors at once.
Status Indexer::place_tensors() {
  const std::uint64_t data_start = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
  const std::uint64_t data_bytes = file_bytes_ - std::min(data_start, file_bytes_);
  std::vector<const TensorInfo*> by_place;
  for (TensorInfo& info : index_.tensors) {
    if (info.offset_bytes % alignment_ != 0) {
      return cursor_.corrupt(
          fmt::format("tensor {}: expected an offset that is a multiple of {}, found {}",
                      shown(info.name), alignment_, info.offset_bytes));
    }
    if (info.offset_bytes > data_bytes || info.data_bytes > data_bytes - info.offset_bytes) {
      return Status(
          Code::kCorrupt,
          fmt::format("{}: tensor {} needs {} bytes at offset {} of the data, which starts at byte "
                      "{}, but the file ends at byte {}",
                      index_.path, shown(info.name), info.data_bytes, info.offset_bytes, data_start,
                      file_bytes_));
    }
    info.offset_bytes += data_start;
    by_place.push_back(&info);
  }
  std::ranges::sort(by_place, {}, &TensorInfo::offset_bytes);
  for (std::size_t i = 1; i < by_place.size(); ++i) {
    const TensorInfo& before = *by_place[i - 1];
    if (before.offset_bytes + before.data_bytes > by_place[i]->offset_bytes) {
      return Status(
          Code::kCorrupt,
          fmt::format("{}: tensors {} and {} overlap at byte {}", index_.path, shown(before.name),
                      shown(by_place[i]->name), by_place[i]->offset_bytes));
    }
  }
  return Status();
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {
      "uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
      "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::uint64_t gguf_type_bytes(GgufType type) {
  constexpr std::array<std::uint64_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kBytes[static_cast<std::size_t>(type)];
}

Result<GgufIndex> index_gguf(std::span<const std::byte> bytes, std::string path) {
  return Indexer(bytes, std::move(path)).run();
}

}  // namespace panal::weights::detail
