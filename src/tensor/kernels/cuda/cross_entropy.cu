#include "tensor/kernels/cuda/all.h"
#include "tensor/kernels/cuda/device_block.cuh"
#include "tensor/kernels/cuda/cross_entropy_body.h"

namespace panal::tensor::cuda {

PANAL_CROSS_ENTROPY_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::tensor::cuda
