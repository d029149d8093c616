#include "tensor/device.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/core.h>
#include <torch/types.h>

#include "base/error.h"
#include "kernels/cuda/launch.h"

namespace panal::tensor {
namespace {

c10::Device cuda_device(int index) {
  const c10::Device device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
  const c10::impl::VirtualGuardImpl guard(device.type());
  enter(device);
  guard.exchangeStream(guard.getStreamFromGlobalPool(device, /*isHighPriority=*/false));
  return device;
}

}  // namespace

// Both halves are needed: the kernels of this build, and a torch that was built for CUDA.
std::string why_no_cuda(int processes) {
  const std::string missing = kernels::cuda::why_no_device();
  if (!missing.empty() || kernels::cuda::runs_on_host_memory()) return missing;
  if (at::hasCUDA()) {
    const int found = at::accelerator::deviceCount();
    if (found >= processes) return "";
    return fmt::format("{} processes want a CUDA device each, found {}", processes, found);
  }
  return "the PyTorch library of this build has no CUDA: build with the CUDA wheel "
         "(docs/guides/gpu.md)";
}

std::string why_not_trained_on(std::string_view device, int processes) {
  if (device != "cuda") return "";
  const std::string missing = why_no_cuda(processes);
  return missing.empty() ? "" : "must be auto or cpu here: " + missing;
}

bool trains_on_cuda(std::string_view wanted, int processes) {
  return (wanted == "cuda" || wanted == "auto") && why_no_cuda(processes).empty();
}

c10::Device training_device(std::string_view wanted, int rank, int processes) {
  const std::string reason = why_not_trained_on(wanted, processes);
  PANAL_REQUIRE(reason.empty(), "the device " + reason);
  if (!trains_on_cuda(wanted, processes) || kernels::cuda::runs_on_host_memory()) {
    return {c10::DeviceType::CPU};
  }
  return cuda_device(rank);
}

void enter(const c10::Device& device) {
  if (!device.is_cpu()) at::accelerator::setDeviceIndex(device.index());
}

std::string device_name(const c10::Device& device) {
  return device.is_cpu() ? "cpu" : kernels::cuda::device_name();
}

void finish_work(const c10::Device& device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

std::optional<std::int64_t> peak_device_bytes(const c10::Device& device) {
  if (device.is_cpu()) return std::nullopt;
  const auto stats = at::accelerator::getDeviceStats(device.index());
  return stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)]
      .peak;
}

void forget_peak_device_bytes(const c10::Device& device) {
  if (!device.is_cpu()) at::accelerator::resetPeakStats(device.index());
}

}  // namespace panal::tensor
