// The elements of small products. A lane is a float, or a pair of bfloat16 that one instruction
// multiplies and adds, so the same loops serve both. Read once for each instruction set
// (each_level.h).

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
      // The intrinsic wants its own instruction set, which the other kernels do not need.
      // The copy lets the compiler keep an array of sums in registers: an operand of asm would tie
      // the whole array to memory.
      Float16 total = sum;
      asm("vdpbf16ps %2, %1, %0" : "+v"(total) : "v"(a), "v"(b));
      sum = total;
    } else {
      sum += bits_as<Float16>(a << 16) * bits_as<Float16>(b << 16);
      sum += bits_as<Float16>(a & 0xFFFF0000u) * bits_as<Float16>(b & 0xFFFF0000u);
    }
  }
};

template <typename Vector, typename Lane>
PANAL_ALWAYS_INLINE Vector load_lanes(const Lane* from) {
  return load_as<Vector>(from);
}
