#include "tensor/communicator.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

#include "base/error.h"
#include "kernels/cuda/launch.h"

namespace panal::tensor {
namespace {

// Ahead of what computes: others wait for it.
std::optional<c10::Stream> stream_beside(const c10::Device& device) {
  if (device.is_cpu()) return std::nullopt;
  const c10::impl::VirtualGuardImpl guard(device.type());
  return guard.getStreamFromGlobalPool(device, /*isHighPriority=*/true);
}

std::vector<kernels::cuda::Buffer> buffers_of(std::span<const Share> shares, bool as_bytes) {
  std::vector<kernels::cuda::Buffer> buffers;
  for (const Share& share : shares) {
    PANAL_REQUIRE(share.values.is_contiguous(),
                  "devices exchange contiguous tensors, found another kind");
    PANAL_REQUIRE(as_bytes || share.values.scalar_type() == at::kFloat,
                  "devices add up float32 values, found another type");
    const auto count = as_bytes ? share.values.nbytes() : share.values.numel();
    buffers.push_back({.elements = share.values.data_ptr(),
                       .count = static_cast<std::size_t>(count),
                       .root = share.root});
  }
  return buffers;
}

}  // namespace

std::string Communicator::why_not(const c10::Device& device) {
  if (device.is_cpu() && !kernels::cuda::runs_on_host_memory()) {
    return "the tensors are in the host's memory";
  }
  return kernels::cuda::why_no_communicator();
}

Communicator::Communicator(const c10::Device& device, const Id& id, int rank, int size)
    : stream_(stream_beside(device)), communicator_(id, rank, size) {}

void Communicator::wait_for(const Event& event) {
  if (stream_) event.block(*stream_);
}

void Communicator::within(const std::function<void()>& work) {
  const at::NoGradGuard no_gradients;
  std::optional<c10::StreamGuard> on_stream;
  if (stream_) on_stream.emplace(*stream_);
  work();
}

void Communicator::reduce(std::span<const Share> shares) {
  communicator_.reduce(buffers_of(shares, /*as_bytes=*/false), native_stream());
}

void Communicator::broadcast(std::span<const Share> shares) {
  communicator_.broadcast(buffers_of(shares, /*as_bytes=*/true), native_stream());
}

Event Communicator::record() const { return stream_ ? Event::record(*stream_) : Event(); }

void* Communicator::native_stream() const { return stream_ ? stream_->native_handle() : nullptr; }

}  // namespace panal::tensor
