// Which instruction set a kernel runs by, chosen at run time. Its body is an inline function over
// the 16-wide vectors of vector.h, of which each_level.h makes a copy for each set;
// PANAL_CPU_KERNEL makes the switch between.
#pragma once

#include <cstdint>

namespace panal::kernels::cpu {

constexpr std::int64_t kWidth = 16;  // Floats of a vector.

/// kAvx512BFloat16 adds products of bfloat16 pairs; kernels without such products run their AVX-512
/// copy there.
enum class Level { kBaseline, kAvx2, kAvx512, kAvx512BFloat16 };

/// The best level this CPU has, at most what PANAL_CPU_LEVEL ("baseline", "avx2", "avx512" or
/// "avx512_bf16") or set_level_for_test() say. Throws Error, the first time, for another name.
Level level();
/// Uses at most `wanted` from now on in the whole process, so that tests reach every copy.
void set_level_for_test(Level wanted);

}  // namespace panal::kernels::cpu

#define PANAL_ALWAYS_INLINE inline __attribute__((always_inline))
#define PANAL_ALWAYS_INLINE_LAMBDA __attribute__((always_inline))

#if defined(__x86_64__)
#define PANAL_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define PANAL_TARGET_AVX2 __attribute__((target("avx2,fma")))
/// PANAL_CPU_KERNEL(name, (parameters), (arguments)) defines void name(parameters) from
/// name##_body.
#define PANAL_CPU_KERNEL(name, parameters, arguments)                                         \
  PANAL_TARGET_AVX512 static void name##_avx512 parameters { avx512::name##_body arguments; } \
  PANAL_TARGET_AVX2 static void name##_avx2 parameters { avx2::name##_body arguments; }       \
  static void name##_baseline parameters { baseline::name##_body arguments; }                 \
  void name parameters {                                                                      \
    switch (level()) {                                                                        \
      case Level::kAvx512BFloat16:                                                            \
      case Level::kAvx512:                                                                    \
        return name##_avx512 arguments;                                                       \
      case Level::kAvx2:                                                                      \
        return name##_avx2 arguments;                                                         \
      default:                                                                                \
        return name##_baseline arguments;                                                     \
    }                                                                                         \
  }
#else
#define PANAL_CPU_KERNEL(name, parameters, arguments) \
  void name parameters { baseline::name##_body arguments; }
#endif
