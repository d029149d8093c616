#include "tensor/library_product.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "tensor/slices.h"

namespace panal::tensor {
namespace {

// oneDNN's product on plain tensors. It is registered only where torch was built with oneDNN.
using PointwiseSignature = at::Tensor(const at::Tensor&, const at::Tensor&,
                                      const std::optional<at::Tensor>&, c10::string_view,
                                      c10::List<std::optional<at::Scalar>>,
                                      std::optional<c10::string_view>);
const c10::TypedOperatorHandle<PointwiseSignature>* one_dnn_linear() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<PointwiseSignature>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
    return schema->typed<PointwiseSignature>();
  }();
  return found ? &*found : nullptr;
}

at::Tensor call_one_dnn(const at::Tensor& rows, const at::Tensor& columns,
                        const std::optional<at::Tensor>& bias) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  return one_dnn_linear()->call(rows, columns, bias, "none", c10::List<std::optional<at::Scalar>>(),
                                "");
}

// Which types oneDNN multiplies depends on the CPU (bfloat16: AVX-512 at least), and it says so by
// throwing.
bool one_dnn_takes_bfloat16() {
  static const bool takes = [] {
    if (one_dnn_linear() == nullptr) return false;
    constexpr std::int64_t kSide = 32;
    const at::Tensor zeros = at::zeros({kSide, kSide}, at::kBFloat16);
    try {
      call_one_dnn(zeros, zeros, std::nullopt);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return takes;
}

// Below this many multiplications oneDNN's fixed cost per call outweighs its speed.
constexpr std::int64_t kSmallProduct = 1 << 14;

// Multiplications that take a thread some ten microseconds: less is not worth a piece.
constexpr double kLeastPerPiece = 1 << 20;
// A piece packs all of the shorter side anew, which its length on the longer one pays for.
constexpr std::int64_t kLeastLength = 64, kUsualLength = 256;
constexpr std::int64_t kLengthStep = 16;

// A stretch of the result: of its rows, or of its columns.
struct Piece {
  int dimension = 0;
  std::int64_t begin = 0, length = 0;

  at::Tensor of_result(const at::Tensor& x) const { return x.narrow(dimension, begin, length); }
  at::Tensor of_rows(const at::Tensor& x) const {
    return dimension == 0 ? x.narrow(0, begin, length) : x;
  }
  // Of what has a column of the result in each of its own dimension's places.
  at::Tensor of_columns(const at::Tensor& x, int its_dimension) const {
    return dimension == 1 ? x.narrow(its_dimension, begin, length) : x;
  }
};

std::int64_t piece_length(std::int64_t side, double multiplications) {
  const auto worth = static_cast<std::int64_t>(multiplications / kLeastPerPiece);
  // Few pieces of a small product, so that each thread has one; else as long as usual.
  const std::int64_t pieces = std::clamp<std::int64_t>(
      std::max(side / kUsualLength, std::min<std::int64_t>(side / kLeastLength, 8)), 1,
      std::max<std::int64_t>(1, worth));
  const std::int64_t length = (side + pieces - 1) / pieces;
  return (length + kLengthStep - 1) / kLengthStep * kLengthStep;
}

int longer_side(std::int64_t rows, std::int64_t columns) { return rows >= columns ? 0 : 1; }

// Pieces of the rows (dimension 0) or of the columns.
template <typename Body>
void over_pieces(std::int64_t rows, std::int64_t columns, std::int64_t steps, int dimension,
                 const Body& body) {
  const std::int64_t side = dimension == 0 ? rows : columns;
  const double multiplications =
      static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(steps);
  for_library_chunks(side, piece_length(side, multiplications),
                     [&](std::int64_t begin, std::int64_t end) {
                       body(Piece{.dimension = dimension, .begin = begin, .length = end - begin});
                     });
}

bool is_widened(const at::Tensor& a) {
  return a.is_cpu() && a.scalar_type() == at::kBFloat16 && !one_dnn_takes_bfloat16();
}

// a [m, k] times b [n, k] transposed, plus bias where defined, into `result`, or added to it: in
// float32 and rounded, tile by tile, so that what is widened never takes much memory.
void widened_product_into(const at::Tensor& result, const at::Tensor& a, const at::Tensor& b,
                          const at::Tensor& bias, bool adds) {
  const std::int64_t rows = a.size(0), columns = b.size(0);
  const int dimension = longer_side(rows, columns);
  const std::int64_t shorter = std::min(rows, columns);
  const auto multiply = [&](const Piece& outer, const Piece& inner) {
    const Piece& across = dimension == 0 ? outer : inner;
    const Piece& down = dimension == 0 ? inner : outer;
    const at::Tensor sum =
        at::mm(across.of_rows(a).to(at::kFloat), down.of_columns(b, 0).to(at::kFloat).t());
    const at::Tensor to = inner.of_result(outer.of_result(result));
    if (bias.defined()) sum.add_(down.of_columns(bias, 0));
    if (adds) sum.add_(to);
    to.copy_(sum);
  };
  for_library_chunks(std::max(rows, columns), kUsualLength,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t first = 0; first < shorter; first += kUsualLength) {
                         multiply({.dimension = dimension, .begin = begin, .length = end - begin},
                                  {.dimension = 1 - dimension,
                                   .begin = first,
                                   .length = std::min(kUsualLength, shorter - first)});
                       }
                     });
}

}  // namespace

void library_product_into(const at::Tensor& result, const at::Tensor& a, const at::Tensor& b,
                          bool adds) {
  const auto multiply = [&](at::Tensor to, const at::Tensor& left, const at::Tensor& right) {
    if (adds) {
      to.addmm_(left, right);
    } else {
      at::mm_out(to, left, right);
    }
  };
  const at::NoGradGuard no_gradient;
  if (!result.is_cpu()) return multiply(result, a, b);
  if (is_widened(a)) return widened_product_into(result, a, b.t(), {}, adds);
  const std::int64_t rows = a.size(0), columns = b.size(1);
  over_pieces(rows, columns, a.size(1), longer_side(rows, columns), [&](const Piece& piece) {
    multiply(piece.of_result(result), piece.of_rows(a), piece.of_columns(b, 1));
  });
}

at::Tensor library_product(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options().requires_grad(false));
  library_product_into(result, a, b, false);
  return result;
}

at::Tensor library_product_nt(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  const std::int64_t rows = a.size(0), columns = b.size(0), steps = a.size(1);
  if (is_widened(a)) {
    const at::Tensor result = at::empty({rows, columns}, a.options().requires_grad(false));
    widened_product_into(result, a, b, bias, false);
    return result;
  }
  if (one_dnn_linear() == nullptr || !a.is_cpu() || rows * columns * steps < kSmallProduct) {
    if (bias.defined()) return at::addmm(bias, a, b.t());
    return a.is_cpu() ? library_product(a, b.t()) : at::mm(a, b.t());
  }
  const at::Tensor result = at::empty({rows, columns}, a.options().requires_grad(false));
  // Of a matrix whose rows or columns do not lie side by side oneDNN has a slow reference only.
  const int dimension = b.is_contiguous() ? longer_side(rows, columns) : 0;
  const at::Tensor left = a.contiguous();
  over_pieces(rows, columns, steps, dimension, [&](const Piece& piece) {
    const auto shift =
        bias.defined() ? std::optional<at::Tensor>(piece.of_columns(bias, 0)) : std::nullopt;
    piece.of_result(result).copy_(call_one_dnn(piece.of_rows(left), piece.of_columns(b, 0), shift));
  });
  return result;
}

}  // namespace panal::tensor
