#include "tensor/kernels/cpu/dispatch.h"

#include <algorithm>
#include <atomic>

namespace panal::tensor::cpu {
namespace {

Level detected_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? Level::kAvx512BFloat16 : Level::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Level::kAvx2;
#endif
  return Level::kBaseline;
}

std::atomic<Level>& current_level() {
  static std::atomic<Level> current = detected_level();
  return current;
}

}  // namespace

Level level() { return current_level().load(std::memory_order_relaxed); }

void set_level_for_test(Level wanted) { current_level() = std::min(wanted, detected_level()); }

}  // namespace panal::tensor::cpu
