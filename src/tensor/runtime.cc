#include "tensor/runtime.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <malloc.h>
#include <torch/types.h>

#include "base/error.h"

namespace panal::tensor {

void set_num_threads(int num_threads) {
  PANAL_REQUIRE(num_threads >= 1 && num_threads <= 1024,
                fmt::format("threads: wanted 1 to 1024, found {}", num_threads));
  at::set_num_threads(num_threads);
  flush_denormals();
}

int num_threads() { return at::get_num_threads(); }

void flush_denormals() {
  at::globalContext().setFlushDenormal(true);
  // The setting lives in a register of each thread: one iteration per thread of the pool reaches
  // them all.
  at::parallel_for(0, at::get_num_threads(), 1,
                   [](std::int64_t, std::int64_t) { at::globalContext().setFlushDenormal(true); });
}

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void return_freed_memory(Returned returned) {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, returned == Returned::kLarge ? 4 << 20 : 1 << 20);
  if (returned == Returned::kLarge) return;
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  malloc_trim(0);
#endif
}

void seed_everything(std::uint64_t seed) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

at::Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(const at::Tensor& state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

}  // namespace panal::tensor
