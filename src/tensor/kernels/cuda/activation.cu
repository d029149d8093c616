#include "tensor/kernels/cuda/all.h"
#include "tensor/kernels/cuda/device_block.cuh"
#include "tensor/kernels/cuda/activation_body.h"

namespace panal::tensor::cuda {

PANAL_ACTIVATION_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::tensor::cuda
