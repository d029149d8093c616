#include "kernels/cpu/distribution.h"

#include <cstring>

#define PANAL_KERNEL_BODIES "kernels/cpu/distribution_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(block_maxima, (const float* logits, std::int64_t width, float* maxima),
                 (logits, width, maxima))
PANAL_CPU_KERNEL(softmax_weights,
                 (const float* logits, std::int64_t width, float shift, float scale,
                  float* weights),
                 (logits, width, shift, scale, weights))
PANAL_CPU_KERNEL(block_weights,
                 (const float* logits, std::int64_t width, float shift, float scale, float* sums),
                 (logits, width, shift, scale, sums))

}  // namespace panal::kernels::cpu
