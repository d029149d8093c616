// Joules, honestly: a counter of the machine when there is one, an estimate that says so when there
// is none, and "unknown" (never 0) when even that is missing. A meter is a running total; a window
// is the difference of two samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "work/energy_reading.h"

namespace panal::energy {

using work::EnergyReading;

/// How far a method can be trusted; a sum is only as good as its weakest part.
enum class Trust { kUnknown, kEstimated, kMeasured };
Trust trust_of(std::string_view method);

/// The sum of parts that together make one piece of work. Unknown as soon as one part is unknown
/// (the detail says how much of it is known); otherwise the method is that of the weakest part, and
/// mixed methods are all named: "estimated:cpu-time+nvml". No parts: unknown.
EnergyReading combine(std::span<const EnergyReading> parts);

/// A meter's running total. Samples of different epochs must not be subtracted: between them the
/// count was lost.
struct MeterSample {
  double joules = 0;
  std::uint64_t epoch = 0;
};

/// A source of energy readings. Every implementation here is thread-safe; a sample costs
/// microseconds.
class Meter {
 public:
  virtual ~Meter() = default;
  /// The method every reading of this meter carries, and its explanation.
  virtual std::string method() const = 0;
  virtual std::string detail() const = 0;
  /// Joules since the meter was opened; never falls within an epoch. kUnavailable when it cannot be
  /// read now.
  virtual Result<MeterSample> sample() = 0;
};

/// Joules between two samples of one meter; empty when either is missing or their epochs differ.
std::optional<double> joules_between(const Result<MeterSample>& begin,
                                     const Result<MeterSample>& end);

/// The energy between construction and read(), which may be called often. Windows may nest and
/// overlap.
class EnergyWindow {
 public:
  explicit EnergyWindow(Meter& meter);
  EnergyReading read() const;

 private:
  Meter& meter_;  // Outlives the window.
  Result<MeterSample> begin_;
};

/// A meter that is driven by hand, for tests. Reports `method` as its method. Thread-safe.
class SyntheticMeter final : public Meter {
 public:
  explicit SyntheticMeter(std::string method = "measured:synthetic") : method_(std::move(method)) {}
  std::string method() const override { return method_; }
  std::string detail() const override { return "driven by hand"; }
  Result<MeterSample> sample() override;
  void add_joules(double joules);
  /// Every sample adds this much before it is taken: a machine whose power never rests.
  void set_joules_per_sample(double joules);
  /// The counter goes away (samples fail) or comes back (a new epoch).
  void set_readable(bool is_readable);

 private:
  const std::string method_;
  Mutex mutex_;
  MeterSample total_ PANAL_GUARDED_BY(mutex_);
  double joules_per_sample_ PANAL_GUARDED_BY(mutex_) = 0;
  bool is_readable_ PANAL_GUARDED_BY(mutex_) = true;
};

/// A meter that knows nothing: its windows read "unknown".
class UnknownMeter final : public Meter {
 public:
  explicit UnknownMeter(std::string why) : why_(std::move(why)) {}
  std::string method() const override { return "unknown"; }
  std::string detail() const override { return why_; }
  Result<MeterSample> sample() override { return Status(Code::kUnavailable, why_); }

 private:
  const std::string why_;
};

/// Intel and AMD package counters of Linux's powercap (<root>/class/powercap, root normally /sys).
/// Sums the package domains only (core, uncore, DRAM and psys are parts of or contain them), each
/// package once although intel-rapl and intel-rapl-mmio both show it; takes care of counters that
/// wrap at max_energy_range_uj. Between two samples further apart than a wrap could take, the epoch
/// changes. kUnavailable when there is none or it is readable by root only.
Result<std::unique_ptr<Meter>> open_rapl_meter(const std::filesystem::path& sysfs_root,
                                               Clock& clock);

/// NVIDIA's total-energy counters through libnvidia-ml.so.1, loaded at run time; the sum over all
/// GPUs that have one (Volta and newer). The counters refresh about every 100 ms. kUnavailable
/// without library, driver, GPU or counter.
Result<std::unique_ptr<Meter>> open_nvml_meter(const std::string& library = "libnvidia-ml.so.1");

/// What one fully busy hardware thread is assumed to draw: 3.5 W, the average the Cloud Carbon
/// Footprint project uses for a vCPU of AWS at full load (SPECpower measurements of the servers;
/// GCP 4.26, Azure 3.76). Processor only.
inline constexpr double kDefaultCpuWattsPerThread = 3.5;

struct CpuTimeOptions {
  double watts_per_thread = kDefaultCpuWattsPerThread;
  std::vector<int>
      child_processes;  // Other processes to count, by pid; their last value stays when they end.
  std::filesystem::path proc_root = "/proc";
};
/// The watts from the environment variable PANAL_CPU_WATTS_PER_THREAD (0.01 to 1000), else the
/// default; a value that is not such a number is logged as a warning and ignored.
double cpu_watts_per_thread_from_environment();

/// An estimate: CPU seconds of this process (and the named children) times watts per busy hardware
/// thread. Always available. Method "estimated:cpu-time". Leaves out idle power, memory, disks and
/// fans.
std::unique_ptr<Meter> open_cpu_time_meter(const CpuTimeOptions& options);

/// The sum of several meters under the rules of combine().
std::unique_ptr<Meter> combine_meters(std::vector<std::unique_ptr<Meter>> meters);

struct MeterOptions {
  std::filesystem::path sysfs_root = "/sys";
  std::string nvml_library = "libnvidia-ml.so.1";
  CpuTimeOptions cpu_time;  // watts_per_thread is replaced by the environment's when that is set.
};
/// The best this machine has: RAPL for the processor, else the CPU-time estimate; NVML's counters
/// added where there are GPUs. Never fails. PANAL_ENERGY=off gives an UnknownMeter. `clock` must
/// outlive the meter.
std::unique_ptr<Meter> open_best_meter(Clock& clock, const MeterOptions& options = {});

}  // namespace panal::energy
