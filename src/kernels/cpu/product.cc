#include "kernels/cpu/product.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>

#include "kernels/cpu/dispatch.h"

namespace panal::kernels::cpu {
namespace {

// Eight rows by three vectors: 24 sums, three lanes of the right factor and one of the left fill
// the 32 registers but for a few, and a step costs 24 multiplications for 11 loads.
constexpr int kRows = 8;
constexpr int kColumns = kProductPanel / kWidth;
// Lanes between the eights of a transposed left factor: a line, so that their places in the first
// cache differ for steps in powers of two.
constexpr std::int64_t kGap = 16;
// Lanes ahead that transposing asks for.
constexpr std::int64_t kAhead = 12;

}  // namespace
}  // namespace panal::kernels::cpu

#define PANAL_KERNEL_BODIES "kernels/cpu/product_body.h"
#include "kernels/cpu/each_level.h"

namespace panal::kernels::cpu {
namespace {

PANAL_CPU_KERNEL(multiply_floats, (const ProductGroup<float>& group), (group))
PANAL_CPU_KERNEL(multiply_pairs, (const ProductGroup<std::uint16_t>& group), (group))
PANAL_CPU_KERNEL(pack_floats,
                 (const ProductFactor<float>& right, std::int64_t columns, std::int64_t steps,
                  ProductShare share, float* packed),
                 (right, columns, steps, share, packed))
PANAL_CPU_KERNEL(pack_pairs,
                 (const ProductFactor<std::uint16_t>& right, std::int64_t columns,
                  std::int64_t steps, ProductShare share, std::uint16_t* packed),
                 (right, columns, steps, share, packed))

#if defined(__x86_64__)
PANAL_TARGET_AVX512 void multiply_with_instruction(const ProductGroup<std::uint16_t>& group) {
  avx512::multiply_group_body<avx512::PairLanes<true>>(group);
}
#endif

bool has_matrix_tiles() {
#if defined(__x86_64__)
  constexpr unsigned kTilesOfBFloat16 = 1u << 22;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTilesOfBFloat16) != 0;
#else
  return false;
#endif
}

}  // namespace

bool are_products_fastest() {
  static const bool has_tiles = has_matrix_tiles();
  return level() == Level::kAvx512BFloat16 && !has_tiles;
}

std::int64_t packed_elements(std::int64_t columns, std::int64_t steps) {
  return (columns + kWidth - 1) / kWidth * kWidth * steps;
}

std::int64_t transposed_elements(std::int64_t steps) {
  return kProductGroup / kRows * (kRows * steps + kGap * 2);
}

void pack_share(const ProductFactor<float>& right, std::int64_t columns, std::int64_t steps,
                ProductShare share, float* packed) {
  pack_floats(right, columns, steps, share, packed);
}
void pack_share(const ProductFactor<std::uint16_t>& right, std::int64_t columns, std::int64_t steps,
                ProductShare share, std::uint16_t* packed) {
  pack_pairs(right, columns, steps, share, packed);
}

void multiply_group(const ProductGroup<float>& group) { multiply_floats(group); }
void multiply_group(const ProductGroup<std::uint16_t>& group) {
#if defined(__x86_64__)
  if (level() == Level::kAvx512BFloat16) return multiply_with_instruction(group);
#endif
  multiply_pairs(group);
}

}  // namespace panal::kernels::cpu
