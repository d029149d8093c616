// IEEE half and bfloat16 to and from float32, with integer arithmetic only where a denormal could
// meet a thread that flushes denormals to zero: the tensor library sets that mode, and files must
// not depend on it.
#pragma once

#include <bit>
#include <cstdint>

namespace panal::weights::detail {

/// Exact for every half, infinities and NaN payloads included.
inline float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::uint32_t bits = static_cast<std::uint32_t>(half & 0x7FFFu) << 13;
  const std::uint32_t exponent = bits & 0x0F800000u;
  bits += (127u - 15u) << 23;
  if (exponent == 0x0F800000u) {
    bits += (128u - 16u) << 23;  // Infinity or NaN.
  } else if (exponent == 0) {
    // A denormal half is a normal float32: give it an implicit one, then take that one away again.
    bits += 1u << 23;
    bits =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(bits) - std::bit_cast<float>(113u << 23));
  }
  return std::bit_cast<float>(bits | sign);
}

/// Round to nearest even; overflow to infinity; every NaN becomes the quiet one, as in PyTorch.
inline std::uint16_t half_from_float(float value) {
  const std::uint32_t all = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((all >> 16) & 0x8000u);
  const std::uint32_t bits = all & 0x7FFFFFFFu;
  std::uint32_t half = 0;
  if (bits > 0x7F800000u) {
    half = 0x7E00u;
  } else if (bits >= 0x477FF000u) {  // 65520 is the first number that rounds past the largest half.
    half = 0x7C00u;
  } else if (bits >= 0x38800000u) {  // 2^-14: a normal half.
    half = (bits + 0x0FFFu + ((bits >> 13) & 1u) - 0x38000000u) >> 13;
  } else if (bits > 0x33000000u) {  // 2^-25: half of the smallest denormal; that tie goes to zero.
    const std::uint32_t shift = 126u - (bits >> 23);
    const std::uint32_t mantissa = (bits & 0x7FFFFFu) | 0x800000u;
    const std::uint32_t rest = mantissa & ((1u << shift) - 1u);
    const std::uint32_t middle = 1u << (shift - 1u);
    half = mantissa >> shift;
    if (rest > middle || (rest == middle && (half & 1u) != 0)) ++half;
  }
  return static_cast<std::uint16_t>(sign | half);
}

inline float float_from_bfloat16(std::uint16_t value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

/// Round to nearest even; every NaN becomes the quiet one, as in PyTorch.
inline std::uint16_t bfloat16_from_float(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FC0u;
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace panal::weights::detail
