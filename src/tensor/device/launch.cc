#include "tensor/device/launch.h"

#include <ATen/DeviceAccelerator.h>
#include <torch/types.h>

#include <cstring>

namespace panal::tensor::on_device {

bool takes(const at::Tensor& x) { return x.is_cuda() || kernels::cuda::runs_on_host_memory(); }

void* stream_of(const at::Tensor& x) {
  if (!x.is_cuda()) return nullptr;
  return at::accelerator::getCurrentStream(x.device().index()).native_handle();
}

at::Tensor copied_to(const at::Tensor& x, const void* from, std::size_t bytes) {
  const at::Tensor host =
      at::empty({static_cast<std::int64_t>(bytes)},
                at::TensorOptions().dtype(at::kByte).pinned_memory(x.is_cuda()));
  std::memcpy(host.mutable_data_ptr(), from, bytes);
  return x.is_cuda() ? host.to(x.device(), /*non_blocking=*/true) : host;
}

}  // namespace panal::tensor::on_device
