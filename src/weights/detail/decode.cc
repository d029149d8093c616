// The block formats follow ggml (ggml-quants.c, dequantize_row_*): 32 values share one
// half-precision scale d and, in the "_1" types, one minimum m. The order of multiplication and
// addition is ggml's, so results are equal to the last bit. Loops have constant trip counts and no
// branches, so that the compiler vectorises them.
#include "weights/detail/decode.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

#include "weights/detail/float_formats.h"

namespace panal::weights::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "weights files are little endian");

constexpr std::size_t kBlock = 32;
constexpr std::size_t kHalfBlock = 16;

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

float load_half(const std::byte* bytes) { return float_from_half(load<std::uint16_t>(bytes)); }

using Codes = std::array<std::int32_t, kBlock>;

/// Low nibbles are values 0 to 15 of the block, high nibbles are values 16 to 31.
void unpack_nibbles(const std::byte* packed, Codes& codes) {
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    const auto both = static_cast<std::int32_t>(packed[i]);
    codes[i] = both & 0x0F;
    codes[i + kHalfBlock] = both >> 4;
  }
}

/// Bit i of `high` is the fifth bit of value i.
void add_fifth_bits(std::uint32_t high, Codes& codes) {
  for (std::size_t i = 0; i < kBlock; ++i) {
    codes[i] |= static_cast<std::int32_t>((high >> i) & 1u) << 4;
  }
}

void scale(const Codes& codes, std::int32_t zero, float d, float* out) {
  for (std::size_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(codes[i] - zero);
}

void scale_and_shift(const Codes& codes, float d, float m, float* out) {
  for (std::size_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(codes[i]) + m;
}

void decode_q4_0(const std::byte* block, float* out) {
  Codes codes;
  unpack_nibbles(block + 2, codes);
  scale(codes, 8, load_half(block), out);
}

void decode_q4_1(const std::byte* block, float* out) {
  Codes codes;
  unpack_nibbles(block + 4, codes);
  scale_and_shift(codes, load_half(block), load_half(block + 2), out);
}

void decode_q5_0(const std::byte* block, float* out) {
  Codes codes;
  unpack_nibbles(block + 6, codes);
  add_fifth_bits(load<std::uint32_t>(block + 2), codes);
  scale(codes, 16, load_half(block), out);
}

void decode_q5_1(const std::byte* block, float* out) {
  Codes codes;
  unpack_nibbles(block + 8, codes);
  add_fifth_bits(load<std::uint32_t>(block + 4), codes);
  scale_and_shift(codes, load_half(block), load_half(block + 2), out);
}

void decode_q8_0(const std::byte* block, float* out) {
  const float d = load_half(block);
  for (std::size_t i = 0; i < kBlock; ++i) {
    out[i] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  }
}

template <std::size_t kBytes, typename DecodeBlock>
void decode_blocks(const std::byte* stored, std::span<float> out, DecodeBlock decode_block) {
  for (std::size_t i = 0; i < out.size(); i += kBlock, stored += kBytes) {
    decode_block(stored, out.data() + i);
  }
}

template <typename Stored, typename Convert>
void decode_plain(const std::byte* stored, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = convert(load<Stored>(stored + i * sizeof(Stored)));
  }
}

}  // namespace

std::optional<BlockSize> block_size(DataType type) {
  switch (type) {
    case DataType::kF64:
    case DataType::kI64:
    case DataType::kU64:
      return BlockSize{1, 8};
    case DataType::kF32:
    case DataType::kI32:
    case DataType::kU32:
      return BlockSize{1, 4};
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kI16:
    case DataType::kU16:
      return BlockSize{1, 2};
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool:
      return BlockSize{1, 1};
    case DataType::kQ4_0:
      return BlockSize{kBlock, 18};
    case DataType::kQ4_1:
      return BlockSize{kBlock, 20};
    case DataType::kQ5_0:
      return BlockSize{kBlock, 22};
    case DataType::kQ5_1:
      return BlockSize{kBlock, 24};
    case DataType::kQ8_0:
      return BlockSize{kBlock, 34};
    case DataType::kUnknown:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::int64_t> checked_num_elements(std::span<const std::int64_t> shape) {
  constexpr std::int64_t kMost = std::int64_t{1} << 62;
  std::int64_t product = 1;
  bool is_empty = false;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) {
      is_empty = true;
      continue;
    }
    if (dimension > kMost / product) return std::nullopt;
    product *= dimension;
  }
  return is_empty ? 0 : product;
}

Status decode(const TensorInfo& info, std::span<const std::byte> stored, std::span<float> out,
              std::string_view where) {
  if (!is_readable_as_float32(info.type)) {
    return Status(
        Code::kUnsupported,
        fmt::format(
            "{}: tensor {} is stored as {}, which panal cannot read as float32; it reads F32, "
            "F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0",
            where, info.name, info.type_name));
  }
  if (out.size() != static_cast<std::uint64_t>(info.num_elements)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: tensor {} {} has {} values, but room for {} was given", where,
                              info.name, shape_text(info.shape), info.num_elements, out.size()));
  }
  const BlockSize block = *block_size(info.type);
  const std::uint64_t num_blocks = out.size() / static_cast<std::uint64_t>(block.values);
  PANAL_CHECK(stored.size() == num_blocks * block.bytes, "tensor data was not checked at opening");
  if (out.empty()) return Status();
  const std::byte* bytes = stored.data();
  switch (info.type) {
    case DataType::kF32:
      std::memcpy(out.data(), bytes, stored.size());
      break;
    case DataType::kF16:
      decode_plain<std::uint16_t>(bytes, out, float_from_half);
      break;
    case DataType::kBF16:
      decode_plain<std::uint16_t>(bytes, out, float_from_bfloat16);
      break;
    case DataType::kF64:
      decode_plain<double>(bytes, out, [](double value) { return static_cast<float>(value); });
      break;
    case DataType::kQ4_0:
      decode_blocks<18>(bytes, out, decode_q4_0);
      break;
    case DataType::kQ4_1:
      decode_blocks<20>(bytes, out, decode_q4_1);
      break;
    case DataType::kQ5_0:
      decode_blocks<22>(bytes, out, decode_q5_0);
      break;
    case DataType::kQ5_1:
      decode_blocks<24>(bytes, out, decode_q5_1);
      break;
    default:
      decode_blocks<34>(bytes, out, decode_q8_0);
      break;
  }
  return Status();
}

}  // namespace panal::weights::detail
