#include "kernels/cuda/all.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/newton_schulz_body.h"

namespace panal::kernels::cuda {

PANAL_NEWTON_SCHULZ_OPERATIONS(PANAL_LAUNCH)

}  // namespace panal::kernels::cuda
