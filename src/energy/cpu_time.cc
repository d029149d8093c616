// The estimate of last resort: processor seconds times an assumed power. Its name says "estimated"
// and its detail says what was assumed, so that nobody takes it for a measurement.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.h"
#include "base/mutex.h"
#include "base/timing.h"
#include "energy/meter.h"

namespace panal::energy {
namespace {

double own_cpu_seconds() { return seconds(process_cpu_time()); }

/// User and system seconds of another process, from /proc/PID/stat; empty when it is gone.
std::optional<double> process_cpu_seconds(const std::filesystem::path& proc_root, int pid) {
  std::ifstream file(proc_root / std::to_string(pid) / "stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field is the program's name in brackets and may hold anything, brackets and blanks
  // included.
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(bracket + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user_ticks = 0;
  double system_ticks = 0;
  if (!(fields >> user_ticks >> system_ticks)) return std::nullopt;
  return (user_ticks + system_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

class CpuTimeMeter final : public Meter {
 public:
  explicit CpuTimeMeter(CpuTimeOptions options) : options_(std::move(options)) {
    for (const int pid : options_.child_processes) {
      const double now = process_cpu_seconds(options_.proc_root, pid).value_or(0);
      children_.push_back({.pid = pid, .first_s = now, .last_s = now});
    }
    first_s_ = own_cpu_seconds();
  }

  std::string method() const override { return "estimated:cpu-time"; }
  std::string detail() const override {
    const std::size_t num_children = options_.child_processes.size();
    const std::string whose =
        num_children == 0 ? "this process" : fmt::format("this process and {} more", num_children);
    return fmt::format("{:g} W assumed per busy hardware thread x CPU seconds of {}",
                       options_.watts_per_thread, whose);
  }
  Result<MeterSample> sample() override {
    const MutexLock lock(mutex_);
    double cpu_s = own_cpu_seconds() - first_s_;
    for (Child& child : children_) {
      // A process that ended keeps its last value; one whose number was given to another never
      // counts backwards.
      const auto now = process_cpu_seconds(options_.proc_root, child.pid);
      if (now && *now >= child.last_s) child.last_s = *now;
      cpu_s += child.last_s - child.first_s;
    }
    return MeterSample{.joules = cpu_s * options_.watts_per_thread, .epoch = 0};
  }

 private:
  struct Child {
    int pid = 0;
    double first_s = 0;
    double last_s = 0;
  };
  const CpuTimeOptions options_;
  double first_s_ = 0;
  Mutex mutex_;
  std::vector<Child> children_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace

double cpu_watts_per_thread_from_environment() {
  const char* text = std::getenv("PANAL_CPU_WATTS_PER_THREAD");
  if (text == nullptr) return kDefaultCpuWattsPerThread;
  char* end = nullptr;
  const double watts = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(watts >= 0.01 && watts <= 1000)) {
    log_warning(
        fmt::format("PANAL_CPU_WATTS_PER_THREAD must be a number from 0.01 to 1000, found "
                    "\"{:.40}\": {} is used",
                    text, kDefaultCpuWattsPerThread));
    return kDefaultCpuWattsPerThread;
  }
  return watts;
}

std::unique_ptr<Meter> open_cpu_time_meter(const CpuTimeOptions& options) {
  return std::make_unique<CpuTimeMeter>(options);
}

}  // namespace panal::energy
