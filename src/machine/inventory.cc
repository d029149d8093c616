#include "machine/inventory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "kernels/cpu/dispatch.h"
#include "machine/detail/proc_file.h"
#include "panal_version.h"

namespace panal::machine {

Machine inventory() {
  Machine found;
  found.cpu = detail::proc_value("/proc/cpuinfo", "model name");
  if (const unsigned cores = std::thread::hardware_concurrency(); cores > 0) found.cores = cores;
  const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page_bytes > 0) found.memory_bytes = std::int64_t{pages} * page_bytes;
  found.code_version = fmt::format("{} ({})", PANAL_VERSION, PANAL_COMMIT);
  return found;
}

std::int64_t num_cores() { return std::max<std::int64_t>(1, std::thread::hardware_concurrency()); }

// Every CPU with AMX has them too.
bool cpu_multiplies_bfloat16() {
  return kernels::cpu::level() == kernels::cpu::Level::kAvx512BFloat16;
}

std::int64_t threads_of_process(std::int64_t wanted, std::int64_t processes) {
  if (wanted > 0) return wanted;
  return std::max<std::int64_t>(1, num_cores() / processes);
}

}  // namespace panal::machine
