// What kernel bodies are written over: a block of threads with shared memory, and rows of numbers
// read 16 bytes at a time. nvcc compiles the bodies for devices (device_block.cuh); tests run the
// same bodies on the host, thread by thread (tests/kernels/simulated_block.h). All sums have a
// fixed order, so equal inputs give equal bits.
//
// A Block has thread(), threads(), index(), blocks(), barrier(), warp_barrier(),
// shuffle_xor(value, mask), shared() and, for matrix tiles, fragments.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define PANAL_DEVICE __device__ __forceinline__
#define PANAL_UNROLL _Pragma("unroll")
#else
#define PANAL_DEVICE inline
#define PANAL_UNROLL
#endif

namespace panal::kernels::cuda {

constexpr int kWarp = 32;
/// Floats at the start of the shared memory that block_sum() and its like use.
constexpr int kReductionFloats = 2 * kWarp;

/// How many blocks of how many threads (a multiple of 32, at most 1024) run an operation.
struct Geometry {
  std::int64_t blocks = 0;
  int threads = 0;
  std::int64_t shared_bytes = kReductionFloats * sizeof(float);
};

PANAL_DEVICE float to_float(float value) { return value; }
PANAL_DEVICE float to_float(std::uint16_t bfloat16) {
  const std::uint32_t bits = std::uint32_t{bfloat16} << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
PANAL_DEVICE void set_float(float& to, float value) { to = value; }
/// Rounds to nearest, ties to even; NaN stays NaN.
PANAL_DEVICE void set_float(std::uint16_t& to, float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  to = is_nan ? std::uint16_t{0x7FC0}
              : static_cast<std::uint16_t>((bits + (0x7FFFu + ((bits >> 16) & 1u))) >> 16);
}
/// The value as it is after storing it as Value.
template <typename Value>
PANAL_DEVICE float stored(float value) {
  Value rounded;
  set_float(rounded, value);
  return to_float(rounded);
}

template <int kCount>
struct Floats {
  float at[kCount];
};
template <int kCount>
struct Count {
  static constexpr int value = kCount;
};

template <typename Value>
struct __attribute__((may_alias, aligned(16))) Pack {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(Value));
  Value at[kCount];
};

template <int kCount, typename Value>
PANAL_DEVICE Floats<kCount> load(const Value* from, Count<kCount>) {
  Floats<kCount> values;
  if constexpr (kCount == 1) {
    values.at[0] = to_float(*from);
  } else {
    constexpr int kPack = Pack<Value>::kCount;
    static_assert(kCount % kPack == 0, "a run of numbers must fill whole packs");
    PANAL_UNROLL
    for (int part = 0; part < kCount / kPack; ++part) {
      const Pack<Value> pack = reinterpret_cast<const Pack<Value>*>(from)[part];
      PANAL_UNROLL
      for (int i = 0; i < kPack; ++i) values.at[part * kPack + i] = to_float(pack.at[i]);
    }
  }
  return values;
}
template <int kCount, typename Value>
PANAL_DEVICE void store(Value* to, const Floats<kCount>& values) {
  if constexpr (kCount == 1) {
    set_float(*to, values.at[0]);
  } else {
    constexpr int kPack = Pack<Value>::kCount;
    PANAL_UNROLL
    for (int part = 0; part < kCount / kPack; ++part) {
      Pack<Value> pack;
      PANAL_UNROLL
      for (int i = 0; i < kPack; ++i) set_float(pack.at[i], values.at[part * kPack + i]);
      reinterpret_cast<Pack<Value>*>(to)[part] = pack;
    }
  }
}

/// True when all pointers (null is fine) allow 16-byte accesses.
template <typename... Pointers>
PANAL_DEVICE bool are_aligned(Pointers... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) | ...) & 15u) == 0;
}

/// Calls body(first, Count<8>) for runs of eight numbers where `aligned`, body(i, Count<1>) for the
/// rest, over the numbers begin to end - 1, shared out among `workers`.
template <typename Body>
PANAL_DEVICE void for_runs(std::int64_t worker, std::int64_t workers, std::int64_t begin,
                           std::int64_t end, bool aligned, const Body& body) {
  constexpr int kRun = 8;
  const std::int64_t whole = aligned ? begin + (end - begin) / kRun * kRun : begin;
  for (std::int64_t i = begin + worker * kRun; i < whole; i += workers * kRun)
    body(i, Count<kRun>{});
  for (std::int64_t i = whole + worker; i < end; i += workers) body(i, Count<1>{});
}
template <typename Block, typename Body>
PANAL_DEVICE void for_row(Block& block, std::int64_t width, bool aligned, const Body& body) {
  for_runs(block.thread(), block.threads(), 0, width, aligned, body);
}

/// The sum over the 32 threads of a warp, in each of them.
template <typename Block>
PANAL_DEVICE float warp_sum(Block& block, float value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += block.shuffle_xor(value, mask);
  return value;
}

/// The sum over all threads, in each of them. Uses the first 32 floats of the shared memory.
template <typename Block>
PANAL_DEVICE float block_sum(Block& block, float value) {
  float* const parts = reinterpret_cast<float*>(block.shared());
  value = warp_sum(block, value);
  if (block.thread() % kWarp == 0) parts[block.thread() / kWarp] = value;
  block.barrier();
  float total = 0;
  for (int warp = 0; warp < block.threads() / kWarp; ++warp) total += parts[warp];
  block.barrier();  // The next sum writes the same floats.
  return total;
}

/// How many blocks of `per_block` cover `count`.
inline std::int64_t blocks_for(std::int64_t count, std::int64_t per_block) {
  return (count + per_block - 1) / per_block;
}

}  // namespace panal::kernels::cuda
