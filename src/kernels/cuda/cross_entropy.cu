#include "kernels/cuda/all.h"
#include "kernels/cuda/cross_entropy_body.h"
#include "kernels/cuda/device_block.cuh"

namespace panal::kernels::cuda {

PANAL_CROSS_ENTROPY_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::kernels::cuda
