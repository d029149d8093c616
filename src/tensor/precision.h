// What the matrix products of training are computed in.
#pragma once

#include <string_view>

namespace panal::tensor {

enum class Precision { kFloat32, kBFloat16 };

/// "fp32" or "bf16".
std::string_view precision_name(Precision precision);
/// True where the CPU multiplies bfloat16 by instructions of its own (AVX-512-BF16, AMX). Elsewhere
/// it is widened piece by piece, at a fraction of float32's speed.
bool cpu_multiplies_bfloat16();

}  // namespace panal::tensor
