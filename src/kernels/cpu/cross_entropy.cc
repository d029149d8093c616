#include "kernels/cpu/cross_entropy.h"

#include <cmath>
#include <type_traits>

#define PANAL_KERNEL_BODIES "kernels/cpu/cross_entropy_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {
namespace {

PANAL_CPU_KERNEL(cross_entropy_of_floats,
                 (float* logits, const std::int64_t* targets, std::int64_t rows, std::int64_t width,
                  float gradient_scale, float* losses, float soft_cap, float* scratch),
                 (logits, targets, rows, width, gradient_scale, losses, soft_cap, scratch))
PANAL_CPU_KERNEL(cross_entropy_of_bfloat16,
                 (std::uint16_t * logits, const std::int64_t* targets, std::int64_t rows,
                  std::int64_t width, float gradient_scale, float* losses, float soft_cap,
                  float* scratch),
                 (logits, targets, rows, width, gradient_scale, losses, soft_cap, scratch))

}  // namespace

void cross_entropy(float* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses, float soft_cap) {
  cross_entropy_of_floats(logits, targets, rows, width, gradient_scale, losses, soft_cap, nullptr);
}

void cross_entropy(std::uint16_t* logits, const std::int64_t* targets, std::int64_t rows,
                   std::int64_t width, float gradient_scale, float* losses, float soft_cap,
                   float* scratch) {
  cross_entropy_of_bfloat16(logits, targets, rows, width, gradient_scale, losses, soft_cap,
                            scratch);
}

}  // namespace panal::kernels::cpu
