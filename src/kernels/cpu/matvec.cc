#include "kernels/cpu/matvec.h"

#include <type_traits>

#define PANAL_KERNEL_BODIES "kernels/cpu/matvec_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(matvec_float,
                 (const float* weight, const float* x, std::int64_t rows, std::int64_t width,
                  std::int64_t begin, std::int64_t end, float* y, std::int64_t y_stride),
                 (weight, x, rows, width, begin, end, y, y_stride))
PANAL_CPU_KERNEL(matvec_nibbles,
                 (const std::int32_t* words, const float* scales, const float* offsets,
                  const float* x, const float* block_sums, std::int64_t rows, std::int64_t width,
                  std::int64_t begin, std::int64_t end, std::int64_t num_outputs, float* y),
                 (words, scales, offsets, x, block_sums, rows, width, begin, end, num_outputs, y))
PANAL_CPU_KERNEL(matvec_bytes,
                 (const std::int32_t* words, const float* scales, const float* x, std::int64_t rows,
                  std::int64_t width, std::int64_t begin, std::int64_t end,
                  std::int64_t num_outputs, float* y),
                 (words, scales, x, rows, width, begin, end, num_outputs, y))
PANAL_CPU_KERNEL(add_low_rank,
                 (const float* low, std::int64_t low_stride, const float* up, std::int64_t rows,
                  std::int64_t rank, std::int64_t width, float* y, std::int64_t y_stride),
                 (low, low_stride, up, rows, rank, width, y, y_stride))
PANAL_CPU_KERNEL(sum_blocks, (const float* x, std::int64_t rows, std::int64_t width, float* sums),
                 (x, rows, width, sums))

}  // namespace panal::kernels::cpu
