#include "tensor/gram.h"

#include <torch/types.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/all.h"
#include "tensor/device/launch.h"
#include "tensor/device/update.h"
#include "tensor/linear.h"
#include "tensor/slices.h"

namespace panal::tensor {
namespace {

constexpr int kHopper = 90;

bool takes_half_the_tiles(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && on_device::takes(x) &&
         kernels::cuda::compute_capability() < kHopper;
}

at::Tensor symmetric_product(const at::Tensor& x, const at::Tensor& addend, double product_factor,
                             double addend_factor) {
  const at::Tensor rows = x.contiguous();
  at::Tensor out = at::empty({x.size(0), x.size(1), x.size(1)}, x.options());
  on_device::launch(
      x, kernels::cuda::SymmetricProduct{.x = on_device::elements<std::uint16_t>(rows),
                                         .count = rows.size(0),
                                         .n = rows.size(1),
                                         .k = rows.size(2),
                                         .addend = on_device::elements<std::uint16_t>(addend),
                                         .product_factor = static_cast<float>(product_factor),
                                         .addend_factor = static_cast<float>(addend_factor),
                                         .out = on_device::elements<std::uint16_t>(out)});
  return out;
}

// One matrix after the other: the CPU's products are for two dimensions.
template <typename Of>
at::Tensor each(const at::Tensor& x, const Of& of) {
  if (x.size(0) == 1) return of(0).unsqueeze(0);
  std::vector<at::Tensor> all;
  for (std::int64_t i = 0; i < x.size(0); ++i) all.push_back(of(i));
  return at::stack(all);
}

// a * x + b * y, in x, which is contiguous.
at::Tensor combined(const at::Tensor& x, double a, const at::Tensor& y, double b) {
  over_slices<2>({x, y.contiguous()}, [&](const auto& slices) {
    if (a != 1) slices[0].mul_(a);
    slices[0].add_(slices[1], b);
  });
  return x;
}

at::Tensor normalised_on_device(const at::Tensor& matrices, double factor, double epsilon,
                                bool is_tall) {
  // GPT-2's matrices come as transposed views: their memory is read as it lies.
  const bool is_view = !matrices.is_contiguous() && matrices.mT().is_contiguous();
  const at::Tensor memory = is_view ? matrices.mT() : matrices.contiguous();
  const std::vector<at::Tensor> one_by_one = memory.unbind(0);
  const at::Tensor totals = on_device::sums_of_squares(one_by_one);
  const std::int64_t rows = memory.size(1), columns = memory.size(2);
  at::Tensor out = at::empty({memory.size(0), std::min(rows, columns), std::max(rows, columns)},
                             memory.options().dtype(at::kBFloat16));
  on_device::launch(
      memory, kernels::cuda::Normalise{.matrices = {.floats = on_device::elements<float>(memory)},
                                       .count = memory.size(0),
                                       .rows = rows,
                                       .columns = columns,
                                       .square_totals = on_device::elements<float>(totals),
                                       .factor = static_cast<float>(factor),
                                       .epsilon = static_cast<float>(epsilon),
                                       .is_transposed = is_tall != is_view,
                                       .out = on_device::elements<std::uint16_t>(out)});
  return out;
}

}  // namespace

bool gains_from_several(const at::Tensor& x) { return on_device::takes(x); }

at::Tensor normalised(const at::Tensor& matrices, double factor, double epsilon,
                      Precision precision) {
  PANAL_REQUIRE(matrices.dim() == 3 && matrices.scalar_type() == at::kFloat,
                "Newton-Schulz wants float32 matrices [count, rows, columns], found another kind");
  const bool is_tall = matrices.size(1) > matrices.size(2);
  const bool is_rounded = precision == Precision::kBFloat16;
  if (is_rounded && on_device::takes(matrices)) {
    return normalised_on_device(matrices, factor, epsilon, is_tall);
  }
  return each(matrices, [&](std::int64_t i) {
    const at::Tensor matrix = matrices[i];
    const at::Tensor divisor = at::linalg_vector_norm(matrix).mul_(factor).add_(epsilon);
    const at::Tensor wide = ((is_tall ? matrix.t() : matrix) / divisor).contiguous();
    return is_rounded ? converted(wide, at::kBFloat16) : wide;
  });
}

at::Tensor gram(const at::Tensor& x) {
  if (takes_half_the_tiles(x)) return symmetric_product(x, {}, 1, 0);
  if (x.is_cuda()) return at::bmm(x, x.mT());
  return each(x, [&](std::int64_t i) { return product_nt(x[i], x[i]); });
}

at::Tensor gram_polynomial(const at::Tensor& gram, double b, double c) {
  if (takes_half_the_tiles(gram)) return symmetric_product(gram, gram, c, b);
  if (gram.is_cuda()) return at::baddbmm(gram, gram, gram, b, c);
  // Each is its own transpose.
  return each(
      gram, [&](std::int64_t i) { return combined(product_nt(gram[i], gram[i]), c, gram[i], b); });
}

at::Tensor added_product(const at::Tensor& x, double a, const at::Tensor& polynomial) {
  if (x.is_cuda()) return at::baddbmm(x, polynomial, x, a, 1);
  return each(
      x, [&](std::int64_t i) { return combined(product_nt(polynomial[i], x[i].t()), 1, x[i], a); });
}

}  // namespace panal::tensor
