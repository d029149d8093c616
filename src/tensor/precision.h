// What the matrix products of training are computed in. Torch-free: plans name it too.
#pragma once

#include <string_view>

namespace panal::tensor {

enum class Precision { kFloat32, kBFloat16 };

/// "fp32" or "bf16".
constexpr std::string_view precision_name(Precision precision) {
  return precision == Precision::kBFloat16 ? "bf16" : "fp32";
}

}  // namespace panal::tensor
