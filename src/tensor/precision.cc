#include "tensor/precision.h"

#include "kernels/cpu/dispatch.h"

namespace panal::tensor {

std::string_view precision_name(Precision precision) {
  return precision == Precision::kBFloat16 ? "bf16" : "fp32";
}

// Every CPU with AMX has them too.
bool cpu_multiplies_bfloat16() {
  return kernels::cpu::level() == kernels::cpu::Level::kAvx512BFloat16;
}

}  // namespace panal::tensor
