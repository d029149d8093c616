#include "kernels/cpu/attention.h"

#include <cmath>

#define PANAL_KERNEL_BODIES "kernels/cpu/attention_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(attend_one,
                 (const float* queries, const float* keys, const float* values, std::int64_t group,
                  std::int64_t length, std::int64_t width, float scale, float* scores, float* out),
                 (queries, keys, values, group, length, width, scale, scores, out))

}  // namespace panal::kernels::cpu
