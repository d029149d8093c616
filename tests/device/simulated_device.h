// A CUDA device in the host's memory: its functions (kernels/cuda/launch.h) stand here in
// the place of the real ones, and run every kernel thread by thread (tests/kernels/
// simulated_block.h). While one is plugged in, all training code takes the way it takes on a
// device, with the CPU's library in the place of the device's.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

/// There is a device as long as one of these exists. Not nested.
class SimulatedDevice {
 public:
  /// compute_capability: ten times of what the device says it has.
  explicit SimulatedDevice(int compute_capability = 80);
  ~SimulatedDevice();
  SimulatedDevice(const SimulatedDevice&) = delete;
  SimulatedDevice& operator=(const SimulatedDevice&) = delete;
};

/// Takes the device away for as long as it exists.
class WithoutDevice {
 public:
  WithoutDevice();
  ~WithoutDevice();
  WithoutDevice(const WithoutDevice&) = delete;
  WithoutDevice& operator=(const WithoutDevice&) = delete;

 private:
  const int compute_capability_;
};

/// Kernels that were launched so far.
std::int64_t num_launches();

}  // namespace panal::kernels::cuda
