#include "kernels/cpu/residual.h"

#include <cmath>

#define PANAL_KERNEL_BODIES "kernels/cpu/residual_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {

PANAL_CPU_KERNEL(add_norm,
                 (const NormPlan& plan, const float* x, const float* delta, float* sums, float* y,
                  float* means, float* inverses),
                 (plan, x, delta, sums, y, means, inverses))
PANAL_CPU_KERNEL(add_norm,
                 (const NormPlan& plan, const float* x, const std::uint16_t* delta, float* sums,
                  std::uint16_t* y, float* means, float* inverses),
                 (plan, x, delta, sums, y, means, inverses))
PANAL_CPU_KERNEL(add_norm_backward, (const NormPlan& plan, const NormGradients<float>& gradients),
                 (plan, gradients))
PANAL_CPU_KERNEL(add_norm_backward,
                 (const NormPlan& plan, const NormGradients<std::uint16_t>& gradients),
                 (plan, gradients))

}  // namespace panal::kernels::cpu
