// Sixteen floats at a time, and what kernel bodies do with them. Read once for each instruction set
// (each_level.h); PANAL_REGISTER_BYTES says how wide its registers are.

#if PANAL_REGISTER_BYTES == 64

template <typename Number, std::size_t bytes>
struct VectorOf {
  typedef Number type __attribute__((vector_size(bytes)));
};

#else

#include "kernels/cpu/pair.h"

// Of `bytes`: a register's worth, or a pair of halves. A register holds 4 bytes for each number, so
// that shorter ones fill a part of it.
template <typename Number, std::size_t bytes>
struct VectorOf {
  using type = Pair<typename VectorOf<Number, bytes / 2>::type>;
};
template <typename Number, std::size_t bytes>
requires(bytes / sizeof(Number) == PANAL_REGISTER_BYTES / 4) struct VectorOf<Number, bytes> {
  typedef Number type __attribute__((vector_size(bytes)));
};

#endif

using Float16 = VectorOf<float, 64>::type;
using Int16 = VectorOf<std::int32_t, 64>::type;
using Bits16 = VectorOf<std::uint32_t, 64>::type;
using HalfBits16 = VectorOf<std::uint16_t, 32>::type;
using Short16 = VectorOf<std::int16_t, 32>::type;

/// Each number as another type's.
template <typename To, typename From>
PANAL_ALWAYS_INLINE To convert(const From& from) {
  if constexpr (requires { from.low; }) {
    return {convert<decltype(To::low)>(from.low), convert<decltype(To::high)>(from.high)};
  } else {
    return __builtin_convertvector(from, To);
  }
}
/// The same bits, seen as another type of this size.
template <typename To, typename From>
PANAL_ALWAYS_INLINE To bits_as(const From& from) {
  if constexpr (requires { from.low; }) {
    return {bits_as<decltype(To::low)>(from.low), bits_as<decltype(To::high)>(from.high)};
  } else {
    return (To)from;
  }
}
/// a where the mask, a comparison's outcome, is set; else b.
template <typename Mask, typename Vector>
PANAL_ALWAYS_INLINE Vector select(const Mask& mask, const Vector& a, const Vector& b) {
  if constexpr (requires { a.low; }) {
    return {select(mask.low, a.low, b.low), select(mask.high, a.high, b.high)};
  } else {
    return mask ? a : b;
  }
}
template <typename Vector>
PANAL_ALWAYS_INLINE Vector maximum(const Vector& a, const Vector& b) {
  if constexpr (requires { a.low; }) {
    return {maximum(a.low, b.low), maximum(a.high, b.high)};
  } else {
    return a > b ? a : b;
  }
}
/// The first and the second half.
template <bool is_high, typename Vector>
PANAL_ALWAYS_INLINE auto half_of(const Vector& value) {
  if constexpr (requires { value.low; }) {
    if constexpr (is_high) {
      return value.high;
    } else {
      return value.low;
    }
  } else if constexpr (sizeof(Vector) == 64) {
    if constexpr (is_high) {
      return __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15);
    } else {
      return __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7);
    }
  } else {
    if constexpr (is_high) {
      return __builtin_shufflevector(value, value, 4, 5, 6, 7);
    } else {
      return __builtin_shufflevector(value, value, 0, 1, 2, 3);
    }
  }
}
/// a0 b0 a1 b1 ... of the first halves, or of the second ones.
template <bool is_high, typename Vector>
PANAL_ALWAYS_INLINE Vector interleave(const Vector& a, const Vector& b) {
  if constexpr (requires { a.low; }) {
    const auto &from = is_high ? a.high : a.low, &other = is_high ? b.high : b.low;
    return {interleave<false>(from, other), interleave<true>(from, other)};
  } else if constexpr (sizeof(Vector) == 64) {
    if constexpr (is_high) {
      return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                     31);
    } else {
      return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    }
  } else if constexpr (sizeof(Vector) == 32) {
    if constexpr (is_high) {
      return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    } else {
      return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    }
  } else {
    if constexpr (is_high) {
      return __builtin_shufflevector(a, b, 2, 6, 3, 7);
    } else {
      return __builtin_shufflevector(a, b, 0, 4, 1, 5);
    }
  }
}

/// A vector as it lies in memory, register by register.
template <typename Vector>
PANAL_ALWAYS_INLINE Vector load_as(const void* from) {
  if constexpr (requires(Vector value) { value.low; }) {
    using Half = decltype(Vector::low);
    return {load_as<Half>(from), load_as<Half>(static_cast<const char*>(from) + sizeof(Half))};
  } else {
    Vector value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
}
template <typename Vector>
PANAL_ALWAYS_INLINE void store_as(void* to, const Vector& value) {
  if constexpr (requires { value.low; }) {
    store_as(to, value.low);
    store_as(static_cast<char*>(to) + sizeof value.low, value.high);
  } else {
    std::memcpy(to, &value, sizeof value);
  }
}

PANAL_ALWAYS_INLINE Float16 load(const float* from) { return load_as<Float16>(from); }
PANAL_ALWAYS_INLINE void store(float* to, const Float16& value) { store_as(to, value); }
/// The bits of bfloat16: the upper half of a float's. Storing rounds to nearest, ties to even.
PANAL_ALWAYS_INLINE Float16 load(const std::uint16_t* from) {
  return bits_as<Float16>(convert<Bits16>(load_as<HalfBits16>(from)) << 16);
}
PANAL_ALWAYS_INLINE Bits16 rounded_bits(const Float16& value) {
  const auto bits = bits_as<Bits16>(value);
  return (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16;
}
PANAL_ALWAYS_INLINE void store(std::uint16_t* to, const Float16& value) {
  store_as(to, convert<HalfBits16>(rounded_bits(value)));
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

PANAL_ALWAYS_INLINE float sum(const Float16& value) {
  const auto sum8 = half_of<false>(value) + half_of<true>(value);
  const auto sum4 = half_of<false>(sum8) + half_of<true>(sum8);
  return (sum4[0] + sum4[2]) + (sum4[1] + sum4[3]);
}
PANAL_ALWAYS_INLINE float largest(const Float16& value) {
  const auto best8 = maximum(half_of<false>(value), half_of<true>(value));
  const auto best4 = maximum(half_of<false>(best8), half_of<true>(best8));
  float best = best4[0];
  for (int i = 1; i < 4; ++i) best = best4[i] > best ? best4[i] : best;
  return best;
}

/// exp(x) within 2 units in the last place for -87 <= x <= 88; outside, the value at that bound.
/// NaN stays NaN. Source: Moshier, "Methods and Programs for Mathematical Functions" (Cephes),
/// 1989: expf's polynomial.
PANAL_ALWAYS_INLINE Float16 exponential(const Float16& argument) {
  const Float16 above = select(argument < -87.0f, broadcast(-87.0f), argument);
  const Float16 x = select(above > 88.0f, broadcast(88.0f), above);
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
  const Int16 power = (convert<Int16>(n) + 127) << 23;
  return y * bits_as<Float16>(power);
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
  return select(z < 0.390625f, near, far);
}

/// x / (1 + exp(-x)), also written silu or swish.
PANAL_ALWAYS_INLINE Float16 silu(const Float16& x) { return x / (exponential(-x) + 1.0f); }
