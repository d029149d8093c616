#include "kernels/cuda/activation_body.h"
#include "kernels/cuda/all.h"
#include "kernels/cuda/device_block.cuh"

namespace panal::kernels::cuda {

PANAL_ACTIVATION_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::kernels::cuda
