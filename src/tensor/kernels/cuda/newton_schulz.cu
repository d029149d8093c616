#include "tensor/kernels/cuda/all.h"
#include "tensor/kernels/cuda/device_block.cuh"
#include "tensor/kernels/cuda/newton_schulz_body.h"

namespace panal::tensor::cuda {

PANAL_NEWTON_SCHULZ_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::tensor::cuda
