#include "tensor/linear.h"

#include <ATen/core/ivalue.h>
#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/low_rank.h"
#include "tensor/device/launch.h"
#include "tensor/library_product.h"
#include "tensor/product.h"
#include "tensor/row_parts.h"
#include "tensor/slices.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor column_sums(const at::Tensor& x) {
  if (on_device::takes(x)) return x.sum(0, /*keepdim=*/false, at::kFloat);
  const std::int64_t rows = x.size(0), width = x.size(1);
  const RowParts parts(rows, width);
  const at::Tensor sums = parts.sums_of(width);
  parts.for_each([&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    float* const total = RowParts::zeroed(sums, part);
    if (x.scalar_type() == at::kFloat) {
      kernels::cpu::add_columns(x.const_data_ptr<float>() + begin * width, end - begin, width,
                                total);
    } else {
      const auto* bits = static_cast<const std::uint16_t*>(x.const_data_ptr());
      kernels::cpu::add_columns(bits + begin * width, end - begin, width, total);
    }
  });
  return sums.sum(0);
}

// A remake on its way through the graph.
struct KeptRemake : torch::CustomClassHolder {
  explicit KeptRemake(Remake given) : remake(std::move(given)) {}
  Remake remake;
};

class Linear : public torch::autograd::Function<Linear> {
 public:
  // The weights are [out, in], maybe transposed views; `read` is what products read: the weight
  // itself, or its rounded copy.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& read, const std::optional<at::Tensor>& bias,
                            const Remake& remake) {
    // The rounded x is all that the weight's gradient reads.
    const at::Tensor rounded = converted(x, read.scalar_type());
    const bool keeps = weight.requires_grad() && !remake;
    context->save_for_backward({keeps ? rounded : at::Tensor(), read});
    if (remake)
      context->saved_data["remake"] =
          at::IValue::make_capsule(c10::make_intrusive<KeptRemake>(remake));
    context->saved_data["weight_type"] = weight.scalar_type();
    if (bias) context->saved_data["has_bias"] = true;
    const at::Tensor shift = bias ? bias->to(read.scalar_type()) : at::Tensor();
    return converted(product_nt(rounded, read, shift), x.scalar_type());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& read = saved[1];
    const at::Tensor gradient =  // [m, out]
        converted(gradients[0].contiguous(), read.scalar_type());
    variable_list result(5);
    if (context->needs_input_grad(0))
      result[0] = converted(product_nt(gradient, read.t()), gradients[0].scalar_type());
    if (context->needs_input_grad(1)) {
      const at::Tensor x = saved[0].defined() ? saved[0] : remade(context, read);
      const at::ScalarType type = context->saved_data["weight_type"].toScalarType();
      // In the weight's own layout, so that whoever accumulates it may keep it instead of a copy.
      result[1] =
          read.stride(1) == 1 ? product(gradient.t(), x, type) : product(x.t(), gradient, type).t();
    }
    if (context->saved_data.count("has_bias") > 0 && context->needs_input_grad(3))
      result[3] = column_sums(gradient);
    return result;
  }

 private:
  // x [m, in] of the type that products read. What the remake holds goes with this pass, not with
  // the graph.
  static at::Tensor remade(AutogradContext* context, const at::Tensor& read) {
    const auto capsule = context->saved_data["remake"].toCapsule();
    context->saved_data.erase("remake");
    return converted(static_cast<KeptRemake&>(*capsule).remake().reshape({-1, read.size(1)}),
                     read.scalar_type());
  }
};

at::Tensor projected(const at::Tensor& x, const at::Tensor& factor, double scale) {
  if (on_device::takes(x)) return at::mm(x, factor.t()).mul_(scale);
  const std::int64_t rows = x.size(0), width = x.size(1), rank = factor.size(0);
  at::Tensor low = at::empty({rows, rank}, x.options());
  kernels::for_rows(rows, width, [&](std::int64_t begin, std::int64_t end) {
    kernels::cpu::low_rank_project(x.const_data_ptr<float>() + begin * width,
                                   factor.const_data_ptr<float>(), end - begin, width, rank,
                                   static_cast<float>(scale), low.data_ptr<float>() + begin * rank);
  });
  return low;
}

void expand_into(const at::Tensor& low, const at::Tensor& factor, const at::Tensor& y) {
  if (on_device::takes(y)) {
    y.addmm_(low, factor);
    return;
  }
  const std::int64_t rows = y.size(0), width = y.size(1), rank = factor.size(0);
  kernels::for_rows(rows, width, [&](std::int64_t begin, std::int64_t end) {
    kernels::cpu::low_rank_expand(low.const_data_ptr<float>() + begin * rank,
                                  factor.const_data_ptr<float>(), end - begin, width, rank,
                                  y.data_ptr<float>() + begin * width);
  });
}

at::Tensor gathered(const at::Tensor& low, const at::Tensor& x) {
  if (on_device::takes(x)) return at::mm(low.t(), x);
  const std::int64_t rows = x.size(0), width = x.size(1), rank = low.size(1);
  const RowParts parts(rows, width);
  const at::Tensor sums = parts.sums_of(rank * width);
  parts.for_each([&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    kernels::cpu::low_rank_gather(low.const_data_ptr<float>() + begin * rank,
                                  x.const_data_ptr<float>() + begin * width, end - begin, width,
                                  rank, RowParts::zeroed(sums, part));
  });
  return sums.sum(0).view({rank, width});
}

class AdaptedLinear : public torch::autograd::Function<AdaptedLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& read,
                            const at::Tensor& down, const at::Tensor& up, double scale) {
    const at::Tensor low = projected(x, down, scale);  // [m, rank]
    const at::Tensor up_rows = up.t().contiguous();    // [rank, out]
    const at::Tensor y =
        converted(product_nt(converted(x, read.scalar_type()), read), x.scalar_type());
    expand_into(low, up_rows, y);
    context->save_for_backward({x, read, down, up_rows, low});
    context->saved_data["scale"] = scale;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &read = saved[1], &down = saved[2], &up_rows = saved[3];
    const at::Tensor gradient = gradients[0].contiguous();  // [m, out]
    const at::Tensor low = projected(gradient, up_rows, context->saved_data["scale"].toDouble());
    variable_list result(5);
    if (context->needs_input_grad(0)) {
      result[0] = converted(product_nt(converted(gradient, read.scalar_type()), read.t()),
                            gradient.scalar_type());
      expand_into(low, down, result[0]);
    }
    result[2] = gathered(low, x);
    result[3] = gathered(saved[4], gradient).t().contiguous();
    return result;
  }
};

// The rows of x, after the shapes were found to fit.
at::Tensor rows_for(const at::Tensor& x, const at::Tensor& weight) {
  PANAL_REQUIRE(weight.dim() == 2 && x.dim() >= 1 && x.size(-1) == weight.size(1),
                fmt::format("linear: wanted inputs of width {}, found {}",
                            weight.dim() == 2 ? weight.size(1) : -1, x.size(-1)));
  return x.reshape({-1, x.size(-1)});
}

at::Tensor in_shape_of(const at::Tensor& x, const at::Tensor& rows) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = rows.size(1);
  return rows.view(shape);
}

}  // namespace

at::Tensor product_nt(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  if (const at::Tensor own = own_product(a, b.t(), bias); own.defined()) return own;
  return library_product_nt(a, b, bias);
}

at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias) {
  return linear(x, weight, bias, {});
}

at::Tensor linear(const at::Tensor& x, const Weight& weight, const at::Tensor& bias,
                  const Remake& remake) {
  PANAL_REQUIRE(x.scalar_type() == at::kFloat || x.scalar_type() == weight.read().scalar_type(),
                "linear: inputs must be float32, or of the type that products read");
  PANAL_REQUIRE(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.value.size(0)),
                "linear: a bias must have one number for each output");
  return in_shape_of(
      x, Linear::apply(rows_for(x, weight.value), weight.value, weight.read(),
                       bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt, remake));
}

at::Tensor linear_with_adapter(const at::Tensor& x, const Weight& weight, const Adapter& adapter) {
  PANAL_REQUIRE(!weight.value.requires_grad(), "linear: a weight under an adapter must be frozen");
  const at::Tensor rows = rows_for(x, weight.value).contiguous();
  PANAL_REQUIRE(adapter.down.dim() == 2 && adapter.up.dim() == 2 &&
                    adapter.down.size(1) == weight.value.size(1) &&
                    adapter.up.size(0) == weight.value.size(0) &&
                    adapter.up.size(1) == adapter.down.size(0),
                "linear: wanted an adapter A [rank, in], B [out, rank] that fits the weight");
  return in_shape_of(x, AdaptedLinear::apply(rows, weight.read(), adapter.down.contiguous(),
                                             adapter.up, adapter.scale));
}

}  // namespace panal::tensor
