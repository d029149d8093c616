// Sixteen floats at a time, in the compiler's own vector types: the same source becomes one AVX-512
// register, two of AVX2 or four of SSE. Only for kernel bodies (dispatch.h).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/dispatch.h"

// Vectors never cross a call that is not inlined, so their calling convention does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace panal::kernels::cpu {

using Float16 = float __attribute__((vector_size(64)));
using Int16 = std::int32_t __attribute__((vector_size(64)));
constexpr std::int64_t kWidth = 16;

PANAL_ALWAYS_INLINE Float16 load(const float* from) {
  Float16 value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
PANAL_ALWAYS_INLINE void store(float* to, const Float16& value) {
  std::memcpy(to, &value, sizeof value);
}
/// The bits of bfloat16: the upper half of a float's. Storing rounds to nearest, ties to even.
using Bits16 = std::uint32_t __attribute__((vector_size(64)));
using HalfBits16 = std::uint16_t __attribute__((vector_size(32)));
PANAL_ALWAYS_INLINE Float16 load(const std::uint16_t* from) {
  HalfBits16 bits;
  std::memcpy(&bits, from, sizeof bits);
  const Bits16 whole = __builtin_convertvector(bits, Bits16) << 16;
  Float16 value;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}
PANAL_ALWAYS_INLINE void store(std::uint16_t* to, const Float16& value) {
  Bits16 bits;
  std::memcpy(&bits, &value, sizeof bits);
  const HalfBits16 rounded =
      __builtin_convertvector((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16, HalfBits16);
  std::memcpy(to, &rounded, sizeof rounded);
}
PANAL_ALWAYS_INLINE float value_of(float value) { return value; }
PANAL_ALWAYS_INLINE float value_of(std::uint16_t bits) {
  const std::uint32_t whole = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}
PANAL_ALWAYS_INLINE void set_value(float& to, float value) { to = value; }
PANAL_ALWAYS_INLINE void set_value(std::uint16_t& to, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  to = static_cast<std::uint16_t>((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16);
}

/// The first `count` (1 to 16) elements, zeros behind them; and storing only those.
template <typename Element>
PANAL_ALWAYS_INLINE Float16 load_part(const Element* from, std::int64_t count) {
  Element elements[kWidth] = {};
  std::memcpy(elements, from, static_cast<std::size_t>(count) * sizeof(Element));
  return load(elements);
}
template <typename Element>
PANAL_ALWAYS_INLINE void store_part(Element* to, const Float16& value, std::int64_t count) {
  Element elements[kWidth];
  store(elements, value);
  std::memcpy(to, elements, static_cast<std::size_t>(count) * sizeof(Element));
}

/// How much of a vector is used: all of it, or the rest at the end of a row.
struct WholeVector {};
struct PartOfVector {
  std::int64_t count;
};
template <typename Element>
PANAL_ALWAYS_INLINE Float16 load(const Element* from, WholeVector) {
  return load(from);
}
template <typename Element>
PANAL_ALWAYS_INLINE Float16 load(const Element* from, PartOfVector part) {
  return load_part(from, part.count);
}
template <typename Element>
PANAL_ALWAYS_INLINE void store(Element* to, const Float16& value, WholeVector) {
  store(to, value);
}
template <typename Element>
PANAL_ALWAYS_INLINE void store(Element* to, const Float16& value, PartOfVector part) {
  store_part(to, value, part.count);
}
/// Calls visit(first element, how much of the vector) along a row.
template <typename Visit>
PANAL_ALWAYS_INLINE void for_each_vector(std::int64_t width, const Visit& visit) {
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) visit(i, WholeVector{});
  if (i < width) visit(i, PartOfVector{width - i});
}

PANAL_ALWAYS_INLINE Float16 broadcast(float value) { return Float16{} + value; }

PANAL_ALWAYS_INLINE Float16 maximum(const Float16& a, const Float16& b) { return a > b ? a : b; }
PANAL_ALWAYS_INLINE Float16 minimum(const Float16& a, const Float16& b) { return a < b ? a : b; }

PANAL_ALWAYS_INLINE float sum(const Float16& value) {
  using Float8 = float __attribute__((vector_size(32)));
  using Float4 = float __attribute__((vector_size(16)));
  Float8 low8, high8;
  std::memcpy(&low8, &value, 32);
  std::memcpy(&high8, reinterpret_cast<const char*>(&value) + 32, 32);
  const Float8 sum8 = low8 + high8;
  Float4 low4, high4;
  std::memcpy(&low4, &sum8, 16);
  std::memcpy(&high4, reinterpret_cast<const char*>(&sum8) + 16, 16);
  const Float4 sum4 = low4 + high4;
  return (sum4[0] + sum4[2]) + (sum4[1] + sum4[3]);
}
PANAL_ALWAYS_INLINE float largest(const Float16& value) {
  float best = value[0];
  for (int i = 1; i < 16; ++i) best = value[i] > best ? value[i] : best;
  return best;
}

/// exp(x) within 2 units in the last place for -87 <= x <= 88; outside, the value at that bound.
/// NaN stays NaN. Source: Moshier, "Methods and Programs for Mathematical Functions" (Cephes),
/// 1989: expf's polynomial.
PANAL_ALWAYS_INLINE Float16 exponential(const Float16& argument) {
  Float16 x = argument < -87.0f ? broadcast(-87.0f) : argument;
  x = x > 88.0f ? broadcast(88.0f) : x;
  // Adding 1.5 * 2^23 rounds to an integer, which then lies in the low bits.
  const Float16 shifted = x * 1.44269504088896341f + 12582912.0f;
  const Float16 n = shifted - 12582912.0f;
  const Float16 r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Float16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const Float16 y = p * (r * r) + r + 1.0f;
  const Int16 power = (__builtin_convertvector(n, Int16) + 127) << 23;
  Float16 scale;
  std::memcpy(&scale, &power, sizeof scale);
  return y * scale;
}

PANAL_ALWAYS_INLINE float scalar_exponential(float x) {
  return std::exp(x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x);
}

/// tanh(x) within 3 units in the last place. NaN stays NaN. Source: Cephes' tanhf: a polynomial
/// near 0, where 1 - 2 / (exp(2 x) + 1) would lose its digits.
PANAL_ALWAYS_INLINE Float16 hyperbolic_tangent(const Float16& x) {
  const Float16 z = x * x;
  Float16 p = z * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const Float16 near = p * z * x + x;
  const Float16 far = 1.0f - 2.0f / (exponential(x + x) + 1.0f);
  return z < 0.390625f ? near : far;
}

/// x / (1 + exp(-x)), also written silu or swish.
PANAL_ALWAYS_INLINE Float16 silu(const Float16& x) { return x / (exponential(-x) + 1.0f); }

}  // namespace panal::kernels::cpu
