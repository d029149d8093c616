#include "tests/device/simulated_device.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "kernels/cuda/activation_body.h"
#include "kernels/cuda/all.h"
#include "kernels/cuda/cross_entropy_body.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/newton_schulz_body.h"
#include "kernels/cuda/norm_body.h"
#include "kernels/cuda/update_body.h"
#include "tests/kernels/simulated_block.h"

namespace panal::kernels::cuda {
namespace {

std::atomic<int> plugged_in = 0;  // Its compute capability.
std::atomic<std::int64_t> launches = 0;

constexpr const char* kMissing = "no simulated device is plugged in";

}  // namespace

SimulatedDevice::SimulatedDevice(int compute_capability) { plugged_in = compute_capability; }
SimulatedDevice::~SimulatedDevice() { plugged_in = 0; }
WithoutDevice::WithoutDevice() : compute_capability_(plugged_in.exchange(0)) {}
WithoutDevice::~WithoutDevice() { plugged_in = compute_capability_; }
std::int64_t num_launches() { return launches; }

bool device_answers() { return plugged_in != 0; }
std::string why_no_device() { return device_answers() ? "" : kMissing; }
bool runs_on_host_memory() { return device_answers(); }
std::string device_name() { return "simulated device"; }
int compute_capability() { return plugged_in; }

template <typename Operation>
void launch(const Operation& operation, void*) {
  PANAL_REQUIRE(device_answers(), kMissing);
  simulate(operation, static_cast<std::uint64_t>(++launches));  // Threads run in another order.
}
#define PANAL_LAUNCH(...) template void launch(const __VA_ARGS__&, void*);
PANAL_NORM_OPERATIONS(PANAL_LAUNCH)
PANAL_ACTIVATION_OPERATIONS(PANAL_LAUNCH)
PANAL_CROSS_ENTROPY_OPERATIONS(PANAL_LAUNCH)
PANAL_UPDATE_OPERATIONS(PANAL_LAUNCH)
PANAL_NEWTON_SCHULZ_OPERATIONS(PANAL_LAUNCH)

void* allocate(std::size_t bytes) { return std::malloc(bytes); }
void release(void* memory) { std::free(memory); }
void copy_to_device(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
void copy_to_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace panal::kernels::cuda
