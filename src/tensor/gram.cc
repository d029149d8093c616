#include "tensor/gram.h"

#include <torch/types.h>

#include "tensor/device/launch.h"
#include "tensor/kernels/cuda/all.h"
#include "tensor/linear.h"
#include "tensor/update.h"

namespace panal::tensor {
namespace {

constexpr int kHopper = 90;

bool takes_half_the_tiles(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && on_device::takes(x) &&
         cuda::compute_capability() < kHopper;
}

at::Tensor symmetric_product(const at::Tensor& x, const at::Tensor& addend, double product_factor,
                             double addend_factor) {
  const at::Tensor rows = x.contiguous();
  at::Tensor out = at::empty({x.size(0), x.size(0)}, x.options());
  on_device::launch(x, cuda::SymmetricProduct{.x = on_device::elements<std::uint16_t>(rows),
                                              .n = rows.size(0),
                                              .k = rows.size(1),
                                              .addend = on_device::elements<std::uint16_t>(addend),
                                              .product_factor = static_cast<float>(product_factor),
                                              .addend_factor = static_cast<float>(addend_factor),
                                              .out = on_device::elements<std::uint16_t>(out)});
  return out;
}

at::Tensor normalised_on_device(const at::Tensor& matrix, double factor, double epsilon,
                                bool is_tall) {
  // GPT-2's matrices come as transposed views: their memory is read as it lies.
  const bool is_view = !matrix.is_contiguous() && matrix.t().is_contiguous();
  const at::Tensor memory = is_view ? matrix.t() : matrix.contiguous();
  const bool is_transposed = is_tall != is_view;
  const at::Tensor total = at::linalg_vector_norm(memory).square();
  at::Tensor out = at::empty(
      {std::min(memory.size(0), memory.size(1)), std::max(memory.size(0), memory.size(1))},
      memory.options().dtype(at::kBFloat16));
  on_device::launch(memory,
                    cuda::Normalise{.matrix = {.floats = on_device::elements<float>(memory)},
                                    .rows = memory.size(0),
                                    .columns = memory.size(1),
                                    .square_total = on_device::elements<float>(total),
                                    .factor = static_cast<float>(factor),
                                    .epsilon = static_cast<float>(epsilon),
                                    .is_transposed = is_transposed,
                                    .out = on_device::elements<std::uint16_t>(out)});
  return out;
}

}  // namespace

at::Tensor normalised(const at::Tensor& matrix, double factor, double epsilon,
                      Precision precision) {
  const bool is_tall = matrix.size(0) > matrix.size(1);
  const bool is_rounded = precision == Precision::kBFloat16;
  if (is_rounded && on_device::takes(matrix)) {
    return normalised_on_device(matrix, factor, epsilon, is_tall);
  }
  const at::Tensor divisor = at::linalg_vector_norm(matrix).mul_(factor).add_(epsilon);
  const at::Tensor wide = ((is_tall ? matrix.t() : matrix) / divisor).contiguous();
  return is_rounded ? wide.to(at::kBFloat16) : wide;
}

at::Tensor gram(const at::Tensor& x) {
  return takes_half_the_tiles(x) ? symmetric_product(x, {}, 1, 0) : product_nt(x, x);
}

at::Tensor gram_polynomial(const at::Tensor& gram, double b, double c) {
  if (takes_half_the_tiles(gram)) return symmetric_product(gram, gram, c, b);
  if (gram.is_cuda()) return at::addmm(gram, gram, gram, b, c);
  return product_nt(gram, gram).mul_(c).add_(gram, b);  // Its own transpose.
}

at::Tensor added_product(const at::Tensor& x, double a, const at::Tensor& polynomial) {
  if (x.is_cuda()) return at::addmm(x, polynomial, x, a, 1);
  return product_nt(polynomial, x.t()).add_(x, a);
}

}  // namespace panal::tensor
