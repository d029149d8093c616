#include "kernels/cpu/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace panal::kernels::cpu {
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

// So that a program can be seen on a CPU that is not at hand. torch's own kernels do not ask.
Level level_from_environment() {
  constexpr std::array<std::pair<std::string_view, Level>, 4> kNames{
      {{"baseline", Level::kBaseline},
       {"avx2", Level::kAvx2},
       {"avx512", Level::kAvx512},
       {"avx512_bf16", Level::kAvx512BFloat16}}};
  const char* named = std::getenv("PANAL_CPU_LEVEL");
  if (named == nullptr || *named == '\0') return Level::kAvx512BFloat16;
  const auto* found = std::ranges::find(kNames, std::string_view(named),
                                        &std::pair<std::string_view, Level>::first);
  PANAL_REQUIRE(found != kNames.end(),
                fmt::format("PANAL_CPU_LEVEL must be baseline, avx2, avx512 or avx512_bf16, found "
                            "\"{}\"",
                            named));
  return found->second;
}

std::atomic<Level>& current_level() {
  static std::atomic<Level> current = std::min(detected_level(), level_from_environment());
  return current;
}

}  // namespace

Level level() { return current_level().load(std::memory_order_relaxed); }

void set_level_for_test(Level wanted) {
  current_level() = std::min({wanted, detected_level(), level_from_environment()});
}

}  // namespace panal::kernels::cpu
