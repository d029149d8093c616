#include "tensor/product.h"

#include <torch/types.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/product.h"
#include "tensor/library_product.h"
#include "tensor/linear.h"
#include "tensor/slices.h"
#include "tensor/step_sizes.h"

namespace panal::tensor {
namespace {

// With fewer rows packing the right factor costs more than the kernel wins.
constexpr std::int64_t kFewestRows = 64;
constexpr std::int64_t kSmallProduct = std::int64_t{1} << 20;
// What is packed at a time stays in the last cache, its panels' lines in the core's own.
constexpr std::size_t kPackedBytes = 3 << 19;
constexpr std::size_t kStepBytes = 4096;
constexpr std::int64_t kApart = 64;
constexpr std::int64_t kPiecesPerThread = 8;

template <typename Element>
struct Operands {
  kernels::cpu::ProductFactor<Element> left, right;
  std::int64_t rows = 0, columns = 0, steps = 0;
  kernels::cpu::ProductTarget<Element> target;
};

// A product in pieces: of the columns, so that the packed ones fit the cache, and of the steps.
template <typename Element>
class PiecewiseProduct {
 public:
  explicit PiecewiseProduct(const Operands<Element>& operands)
      : whole_(operands),
        most_steps_(std::min(operands.steps, std::int64_t{kStepBytes / sizeof(Element)})) {
    const std::int64_t panels = num_panels(whole_.columns);
    const auto fit = std::max<std::int64_t>(1, std::int64_t{kPackedBytes / sizeof(Element)} /
                                                   (most_steps_ * kernels::cpu::kProductPanel));
    const std::int64_t pieces = (panels + fit - 1) / fit;
    most_panels_ = (panels + pieces - 1) / pieces;
    const auto type = sizeof(Element) == sizeof(float) ? at::kFloat : at::kBFloat16;
    packed_ = at::empty(
        {kernels::cpu::packed_elements(most_panels_ * kernels::cpu::kProductPanel, most_steps_)},
        type);
    if (whole_.left.is_transposed)
      transposed_ = at::empty(
          {kernels::compute_pool().num_threads(), kernels::cpu::transposed_elements(most_steps_)},
          type);
    if (whole_.steps > most_steps_ && whole_.target.rounded != nullptr)
      partial_ = at::empty({whole_.rows, most_panels_ * kernels::cpu::kProductPanel}, at::kFloat);
  }

  void run() const {
    const std::int64_t width = most_panels_ * kernels::cpu::kProductPanel;
    for (std::int64_t column = 0; column < whole_.columns; column += width) {
      for (std::int64_t step = 0; step < whole_.steps; step += most_steps_) {
        const Piece piece{.column = column,
                          .columns = std::min(width, whole_.columns - column),
                          .step = step,
                          .steps = std::min(most_steps_, whole_.steps - step)};
        pack(piece);
        multiply(piece);
      }
    }
  }

 private:
  struct Piece {
    std::int64_t column, columns, step, steps;
  };
  static std::int64_t num_panels(std::int64_t columns) {
    return (columns + kernels::cpu::kProductPanel - 1) / kernels::cpu::kProductPanel;
  }
  static kernels::cpu::ProductFactor<Element> from(kernels::cpu::ProductFactor<Element> factor,
                                                   std::int64_t row, std::int64_t step) {
    factor.data += factor.is_transposed ? step * factor.stride + row : row * factor.stride + step;
    return factor;
  }
  Element* packed() const { return static_cast<Element*>(packed_.mutable_data_ptr()); }

  void pack(const Piece& piece) const {
    const auto right = from(whole_.right, piece.column, piece.step);
    const std::int64_t parts =
        std::max<std::int64_t>(1, piece.columns * piece.steps / kernels::kElementsPerChunk);
    kernels::compute_pool().run(parts, [&](std::int64_t part, int) {
      kernels::cpu::pack_share(right, piece.columns, piece.steps, {.part = part, .parts = parts},
                               packed());
    });
  }

  // Where a piece of the steps goes: sums of all but the last one wait in float32.
  kernels::cpu::ProductTarget<Element> target_of(const Piece& piece, std::int64_t row) const {
    kernels::cpu::ProductTarget<Element> target = whole_.target;
    const bool is_last = piece.step + piece.steps == whole_.steps;
    const std::int64_t place = row * target.stride + piece.column;
    if (target.floats != nullptr) {
      target.floats += place;
      const bool has_before = target.before != nullptr || piece.step > 0;
      target.before = has_before ? target.floats : nullptr;
      target.before_stride = target.stride;
    } else {
      target.rounded += place;
    }
    target.bias = is_last && target.bias != nullptr ? target.bias + piece.column : nullptr;
    if (!partial_.defined()) return target;
    float* const partial = partial_.data_ptr<float>() + row * partial_.size(1);
    target.before = piece.step > 0 ? partial : nullptr;
    target.before_stride = partial_.size(1);
    if (is_last) return target;
    target.rounded = nullptr;
    target.floats = partial;
    target.stride = partial_.size(1);
    return target;
  }

  void multiply(const Piece& piece) const {
    const std::int64_t groups =
        (whole_.rows + kernels::cpu::kProductGroup - 1) / kernels::cpu::kProductGroup;
    const std::int64_t panels = num_panels(piece.columns);
    // Sums do not depend on it, so the columns may be divided as threads want it: enough pieces
    // that the last ones end together.
    const std::int64_t wanted = kPiecesPerThread * kernels::compute_pool().num_threads();
    const std::int64_t parts = std::clamp<std::int64_t>((wanted + groups - 1) / groups, 1, panels);
    kernels::compute_pool().run(groups * parts, [&](std::int64_t task, int worker) {
      const std::int64_t row = task % groups * kernels::cpu::kProductGroup, part = task / groups;
      kernels::cpu::ProductGroup<Element> group{
          .left = from(whole_.left, row, piece.step),
          .rows = std::min(kernels::cpu::kProductGroup, whole_.rows - row),
          .columns = piece.columns,
          .steps = piece.steps,
          .packed = packed(),
          .first_panel = panels * part / parts,
          .last_panel = panels * (part + 1) / parts,
          .target = target_of(piece, row),
          .transposed = nullptr};
      if (transposed_.defined())
        group.transposed =
            static_cast<Element*>(transposed_.mutable_data_ptr()) + worker * transposed_.size(1);
      kernels::cpu::multiply_group(group);
    });
  }

  Operands<Element> whole_;
  std::int64_t most_steps_ = 0, most_panels_ = 0;
  at::Tensor packed_;      // A piece of the right factor.
  at::Tensor transposed_;  // [threads, ...], for a transposed left factor.
  at::Tensor partial_;     // [rows, columns of a piece] float32, for several pieces of steps.
};

// The rows of the factor are the matrix's.
template <typename Element>
kernels::cpu::ProductFactor<Element> factor_of(const at::Tensor& matrix) {
  const bool is_transposed = matrix.stride(1) != 1;
  return {.data = static_cast<const Element*>(matrix.const_data_ptr()),
          .stride = is_transposed ? matrix.stride(1) : matrix.stride(0),
          .is_transposed = is_transposed};
}

bool is_factor(const at::Tensor& matrix) {
  return matrix.is_cpu() && matrix.dim() == 2 && (matrix.stride(0) == 1 || matrix.stride(1) == 1) &&
         (matrix.scalar_type() == at::kFloat || matrix.scalar_type() == at::kBFloat16);
}

bool is_for_us(const at::Tensor& a, const at::Tensor& b) {
  return kernels::cpu::are_products_fastest() && is_factor(a) && is_factor(b) &&
         a.scalar_type() == b.scalar_type() && a.size(1) == b.size(0) && a.size(0) >= kFewestRows &&
         a.size(0) * a.size(1) * b.size(1) >= kSmallProduct &&
         (a.scalar_type() == at::kFloat || a.size(1) % 2 == 0);
}

template <typename Element>
Operands<Element> operands_of(const at::Tensor& a, const at::Tensor& b, const at::Tensor& result) {
  Operands<Element> operands{.left = factor_of<Element>(a),
                             .right = factor_of<Element>(b.t()),
                             .rows = a.size(0),
                             .columns = b.size(1),
                             .steps = a.size(1),
                             .target = {}};
  operands.target.stride = result.stride(0);
  if (result.scalar_type() == at::kFloat) {
    operands.target.floats = result.data_ptr<float>();
  } else {
    operands.target.rounded = static_cast<Element*>(result.mutable_data_ptr());
  }
  return operands;
}

void run_own(const at::Tensor& a, const at::Tensor& b, const at::Tensor& result, bool adds,
             const at::Tensor& bias) {
  const at::Tensor shift = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  const auto run = [&](auto operands) {
    if (shift.defined()) operands.target.bias = shift.const_data_ptr<float>();
    if (adds) operands.target.before = operands.target.floats;
    PiecewiseProduct(operands).run();
  };
  if (a.scalar_type() == at::kFloat) {
    run(operands_of<float>(a, b, result));
  } else {
    run(operands_of<std::uint16_t>(a, b, result));
  }
}

// Calls visit(first row, rows) over pieces of sum's rows of about so many elements.
template <typename Visit>
void over_rows(const at::Tensor& sum, std::int64_t elements, const Visit& visit) {
  const std::int64_t piece = std::max<std::int64_t>(1, elements / sum.size(1));
  for (std::int64_t begin = 0; begin < sum.size(0); begin += piece)
    visit(begin, std::min(piece, sum.size(0) - begin));
}

// sum, some rows, plus bfloat16 of their shape, or that instead of them.
void put_widened(const at::Tensor& sum, const at::Tensor& rounded, bool adds) {
  if (!adds) return convert_into(sum, rounded);
  over_slices<2>({sum, rounded}, [](const auto& slices) { slices[0].add_(slices[1]); });
}

// The libraries give bfloat16, so the product stands beside its sum: some rows of it at a time.
void add_library_product(const at::Tensor& sum, const at::Tensor& a, const at::Tensor& b,
                         bool adds) {
  over_rows(sum, kElementsBeside, [&](std::int64_t begin, std::int64_t rows) {
    put_widened(sum.narrow(0, begin, rows), library_product(a.narrow(0, begin, rows), b), adds);
  });
}

}  // namespace

at::Tensor product(const at::Tensor& a, const at::Tensor& b, at::ScalarType type) {
  PANAL_REQUIRE(type == at::kFloat || type == a.scalar_type(),
                "product: wanted a result in float32 or the factors' type");
  if (!is_for_us(a, b)) {
    return a.is_cpu() ? converted(library_product(a, b), type) : at::mm(a, b).to(type);
  }
  at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options().dtype(type));
  run_own(a, b, result, false, {});
  return result;
}

void product_into(const at::Tensor& sum, const at::Tensor& a, const at::Tensor& b, bool adds) {
  PANAL_REQUIRE(sum.scalar_type() == at::kFloat && sum.is_contiguous() && sum.dim() == 2 &&
                    sum.size(0) == a.size(0) && sum.size(1) == b.size(1),
                "product: wanted a float32 matrix of the product's shape to write to");
  if (is_for_us(a, b)) return run_own(a, b, sum, adds, {});
  if (!sum.is_cpu() && a.scalar_type() != at::kFloat) {
    // Adding widens as it reads there.
    const at::Tensor rounded = at::mm(a, b);
    if (adds) {
      sum.add_(rounded);
    } else {
      sum.copy_(rounded);
    }
    return;
  }
  if (a.scalar_type() != at::kFloat) return add_library_product(sum, a, b, adds);
  library_product_into(sum, a, b, adds);
}

at::Tensor own_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  if (!is_for_us(a, b)) return {};
  at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
  run_own(a, b, result, false, bias);
  return result;
}

at::Tensor product_in_apart_rows(const at::Tensor& a, const at::Tensor& b) {
  const std::int64_t columns = b.size(1);
  // An odd number of columns makes steps that our kernels do not take.
  if (!is_for_us(a, b) || columns % 2 != 0) return product_nt(a, b.t());
  const at::Tensor result = at::empty({a.size(0), columns + kApart}, a.options());
  const at::Tensor used = result.narrow(1, 0, columns);
  run_own(a, b, used, false, {});
  return used;
}

}  // namespace panal::tensor
