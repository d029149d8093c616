#include "tensor/device.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/types.h>

#include "base/error.h"
#include "tensor/kernels/cuda/launch.h"

namespace panal::tensor {
namespace {

// Both halves are needed: the kernels of this build, and a torch that was built for CUDA.
std::string why_no_cuda() {
  const std::string missing = cuda::why_no_device();
  if (!missing.empty() || cuda::runs_on_host_memory()) return missing;
  if (at::hasCUDA()) return "";
  return "the PyTorch library of this build has no CUDA: build with the CUDA wheel "
         "(docs/guides/gpu.md)";
}

c10::Device cuda_device() {
  const c10::Device device(c10::DeviceType::CUDA, 0);
  const c10::impl::VirtualGuardImpl guard(device.type());
  at::accelerator::setDeviceIndex(device.index());
  guard.exchangeStream(guard.getStreamFromGlobalPool(device, /*isHighPriority=*/false));
  return device;
}

}  // namespace

std::string why_not_trained_on(std::string_view device) {
  if (device != "cuda") return "";
  const std::string missing = why_no_cuda();
  return missing.empty() ? "" : "must be auto or cpu here: " + missing;
}

bool trains_on_cuda(std::string_view wanted) {
  return (wanted == "cuda" || wanted == "auto") && why_no_cuda().empty();
}

c10::Device training_device(std::string_view wanted) {
  const std::string reason = why_not_trained_on(wanted);
  PANAL_REQUIRE(reason.empty(), "the device " + reason);
  if (!trains_on_cuda(wanted) || cuda::runs_on_host_memory()) return {c10::DeviceType::CPU};
  return cuda_device();
}

std::string device_name(const c10::Device& device) {
  return device.is_cpu() ? "cpu" : cuda::device_name();
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
