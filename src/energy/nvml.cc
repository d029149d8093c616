// NVIDIA's management library, loaded at run time so that one binary serves machines with and
// without GPUs. Only the cumulative energy counter is used: sampled power misses most of what
// happens between samples.
#include <dlfcn.h>
#include <fmt/format.h>

#include "base/mutex.h"
#include "energy/meter.h"

namespace panal::energy {
namespace {

// The stable part of NVML's C interface. Every function returns 0 for success.
using NvmlDevice = void*;
using Initialise = int (*)();
using Shutdown = int (*)();
using DeviceCount = int (*)(unsigned int*);
using DeviceByIndex = int (*)(unsigned int, NvmlDevice*);
using TotalEnergy = int (*)(NvmlDevice,
                            unsigned long long*);  // Millijoules since the driver was loaded.

struct LibraryCloser {
  void operator()(void* handle) const { dlclose(handle); }
};
using Library = std::unique_ptr<void, LibraryCloser>;

template <typename Function>
Function symbol(const Library& library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library.get(), name));
}

class NvmlMeter final : public Meter {
 public:
  static Result<std::unique_ptr<Meter>> open(const std::string& name);
  ~NvmlMeter() override {
    if (shutdown_ != nullptr) shutdown_();
  }

  std::string method() const override { return "measured:nvml"; }
  std::string detail() const override {
    return fmt::format("total energy counters of {} GPU{}, refreshed about every 100 ms",
                       devices_.size(), devices_.size() == 1 ? "" : "s");
  }
  Result<MeterSample> sample() override {
    const MutexLock lock(mutex_);
    double joules = 0;
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      unsigned long long millijoules = 0;
      if (const int error = total_energy_(devices_[i], &millijoules); error != 0) {
        return Status(Code::kUnavailable,
                      fmt::format("NVML: energy of GPU {}: error {}", i, error));
      }
      joules += static_cast<double>(millijoules) * 1e-3;
    }
    // A reloaded driver starts again from 0: the count before that is lost.
    if (joules < last_joules_) ++epoch_;
    last_joules_ = joules;
    return MeterSample{.joules = joules - first_joules_, .epoch = epoch_};
  }

 private:
  Status start(const std::string& name);

  Library library_;
  Shutdown shutdown_ = nullptr;
  TotalEnergy total_energy_ = nullptr;
  std::vector<NvmlDevice> devices_;
  Mutex mutex_;
  double first_joules_ = 0;
  double last_joules_ PANAL_GUARDED_BY(mutex_) = 0;
  std::uint64_t epoch_ PANAL_GUARDED_BY(mutex_) = 0;
};

Status NvmlMeter::start(const std::string& name) {
  library_.reset(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library_) return Status(Code::kUnavailable, name + " is not on this machine");
  const auto initialise = symbol<Initialise>(library_, "nvmlInit_v2");
  const auto shutdown = symbol<Shutdown>(library_, "nvmlShutdown");
  const auto count = symbol<DeviceCount>(library_, "nvmlDeviceGetCount_v2");
  const auto by_index = symbol<DeviceByIndex>(library_, "nvmlDeviceGetHandleByIndex_v2");
  total_energy_ = symbol<TotalEnergy>(library_, "nvmlDeviceGetTotalEnergyConsumption");
  if (!initialise || !shutdown || !count || !by_index || !total_energy_) {
    return Status(Code::kUnavailable, name + " is not an NVML with energy counters");
  }
  if (const int error = initialise(); error != 0) {
    return Status(Code::kUnavailable, fmt::format("NVML did not start: error {}", error));
  }
  shutdown_ = shutdown;
  unsigned int num_devices = 0;
  if (count(&num_devices) != 0) return Status(Code::kUnavailable, "NVML cannot count the GPUs");
  for (unsigned int i = 0; i < num_devices; ++i) {
    NvmlDevice device = nullptr;
    unsigned long long millijoules = 0;
    if (by_index(i, &device) != 0) continue;
    if (total_energy_(device, &millijoules) == 0) devices_.push_back(device);
  }
  // A GPU left out would be a part silently missing from the sum.
  if (devices_.empty() || devices_.size() != num_devices) {
    return Status(Code::kUnavailable, fmt::format("NVML: {} of {} GPUs have an energy counter",
                                                  devices_.size(), num_devices));
  }
  PANAL_ASSIGN(const MeterSample first, sample());
  first_joules_ = first.joules;
  return {};
}

Result<std::unique_ptr<Meter>> NvmlMeter::open(const std::string& name) {
  auto meter = std::make_unique<NvmlMeter>();
  PANAL_TRY(meter->start(name));
  return std::unique_ptr<Meter>(std::move(meter));
}

}  // namespace

Result<std::unique_ptr<Meter>> open_nvml_meter(const std::string& library) {
  return NvmlMeter::open(library);
}

}  // namespace panal::energy
