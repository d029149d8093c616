#include "kernels/cpu/low_rank.h"

#include <type_traits>

#define PANAL_KERNEL_BODIES "kernels/cpu/low_rank_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(low_rank_project,
                 (const float* x, const float* w, std::int64_t rows, std::int64_t width,
                  std::int64_t rank, float scale, float* low),
                 (x, w, rows, width, rank, scale, low))
PANAL_CPU_KERNEL(low_rank_expand,
                 (const float* low, const float* w, std::int64_t rows, std::int64_t width,
                  std::int64_t rank, float* y),
                 (low, w, rows, width, rank, y))
PANAL_CPU_KERNEL(low_rank_gather,
                 (const float* low, const float* x, std::int64_t rows, std::int64_t width,
                  std::int64_t rank, float* total),
                 (low, x, rows, width, rank, total))

}  // namespace panal::kernels::cpu
