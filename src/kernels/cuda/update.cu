#include "kernels/cuda/all.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/update_body.h"

namespace panal::kernels::cuda {

PANAL_UPDATE_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::kernels::cuda
