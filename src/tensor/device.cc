#include "tensor/device.h"

#include "tensor/kernels/cuda/launch.h"

namespace panal::tensor {

std::string why_not_trained_on(std::string_view device) {
  if (device != "cuda") return "";
  const std::string missing = cuda::why_no_device();
  const std::string reason = "must be auto or cpu: training runs on the CPU only";
  return missing.empty() ? reason : reason + ", and " + missing;
}

}  // namespace panal::tensor
