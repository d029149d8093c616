#include "machine/resident_memory.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "machine/detail/proc_file.h"

namespace panal::machine {

std::optional<std::int64_t> peak_resident_bytes() {
  const std::string found = detail::proc_value("/proc/self/status", "VmHWM");
  const std::int64_t kibibytes = std::atoll(found.c_str());
  if (kibibytes <= 0) return std::nullopt;
  return kibibytes * 1024;
}

bool forget_peak_resident_bytes() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5";
  file.flush();
  return file.good();
}

}  // namespace panal::machine
