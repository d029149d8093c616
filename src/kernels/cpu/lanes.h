// The elements of small products. A lane is a float, or a pair of bfloat16 that one instruction
// multiplies and adds, so the same loops serve both. Only for kernel bodies (dispatch.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cpu/vector.h"

namespace panal::kernels::cpu {

PANAL_ALWAYS_INLINE Float16 as_floats(const Bits16& bits) {
  Float16 value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
PANAL_ALWAYS_INLINE Bits16 rounded_bits(const Float16& value) {
  Bits16 bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16;
}

struct FloatLanes {
  using Element = float;
  using Lane = float;
  using Vector = Float16;
  static constexpr std::int64_t kPerLane = 1;
  PANAL_ALWAYS_INLINE static void multiply_add(Float16& sum, const Vector& a, const Vector& b) {
    sum += a * b;
  }
};

template <bool kHasInstruction>
struct PairLanes {
  using Element = std::uint16_t;
  using Lane = std::uint32_t;
  using Vector = Bits16;
  static constexpr std::int64_t kPerLane = 2;
  PANAL_ALWAYS_INLINE static void multiply_add(Float16& sum, const Vector& a, const Vector& b) {
    if constexpr (kHasInstruction) {
      // The intrinsic cannot be used in a body that is compiled for several instruction sets.
      // The copy lets the compiler keep an array of sums in registers: an operand of asm would tie
      // the whole array to memory.
      Float16 total = sum;
      asm("vdpbf16ps %2, %1, %0" : "+v"(total) : "v"(a), "v"(b));
      sum = total;
    } else {
      sum += as_floats(a << 16) * as_floats(b << 16);
      sum += as_floats(a & 0xFFFF0000u) * as_floats(b & 0xFFFF0000u);
    }
  }
};

template <typename Vector, typename Lane>
PANAL_ALWAYS_INLINE Vector load_lanes(const Lane* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace panal::kernels::cpu
