#include "tensor/precision.h"

namespace panal::tensor {

std::string_view precision_name(Precision precision) {
  return precision == Precision::kBFloat16 ? "bf16" : "fp32";
}

bool cpu_multiplies_bfloat16() {
#if defined(__x86_64__)
  // Every CPU with AMX has it too.
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace panal::tensor
