#include "tensor/layers.h"

#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/layers.h"
#include "tensor/device/launch.h"
#include "tensor/device/layers.h"
#include "tensor/linear.h"
#include "tensor/product.h"
#include "tensor/row_parts.h"
#include "tensor/slices.h"
#include "tensor/step_sizes.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double epsilon) {
    const std::int64_t rows = x.size(0), width = x.size(1);
    at::Tensor y = at::empty_like(x), inverse_rms = at::empty({rows}, x.options());
    kernels::for_rows(rows, width, [&](std::int64_t begin, std::int64_t end) {
      kernels::cpu::rms_norm(x.const_data_ptr<float>() + begin * width,
                             weight.const_data_ptr<float>(), static_cast<float>(epsilon),
                             end - begin, width, y.data_ptr<float>() + begin * width,
                             inverse_rms.data_ptr<float>() + begin);
    });
    context->save_for_backward({x, weight, inverse_rms});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &inverse_rms = saved[2];
    const at::Tensor dy = gradients[0].contiguous();
    const std::int64_t rows = x.size(0), width = x.size(1);
    const bool wants_weight = context->needs_input_grad(1);
    const RowParts parts(rows, width);
    const at::Tensor dx = at::empty_like(x);
    const at::Tensor sums = wants_weight ? parts.sums_of(width) : at::Tensor();
    parts.for_each([&](std::int64_t begin, std::int64_t end, std::int64_t part) {
      kernels::cpu::rms_norm_backward(
          dy.const_data_ptr<float>() + begin * width, x.const_data_ptr<float>() + begin * width,
          weight.const_data_ptr<float>(), inverse_rms.const_data_ptr<float>() + begin, end - begin,
          width, dx.data_ptr<float>() + begin * width, RowParts::zeroed(sums, part));
    });
    return {dx, wants_weight ? sums.sum(0) : at::Tensor(), at::Tensor()};
  }
};

// Runs body(pointer type) for the element type of x: float, or the bits of bfloat16.
template <typename Body>
void with_elements(const at::Tensor& x, const Body& body) {
  PANAL_REQUIRE(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16,
                "layers: wanted a float32 or bfloat16 tensor");
  if (x.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(std::uint16_t{});
  }
}
template <typename Element>
Element* elements(const at::Tensor& tensor, std::int64_t begin) {
  return reinterpret_cast<Element*>(tensor.mutable_data_ptr()) + begin;
}

// Calls body(element, begin, count) over pieces of all of x's elements, spread over the threads.
template <typename Body>
void over_elements(const at::Tensor& x, const Body& body) {
  with_elements(x, [&](auto element) {
    kernels::for_elements(x.numel(), [&](std::int64_t begin, std::int64_t end) {
      body(element, begin, end - begin);
    });
  });
}

at::Tensor rotated(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                   float sign) {
  const std::int64_t rows = x.size(0) * x.size(1), T = x.size(1), heads = x.size(2),
                     width = x.size(3);
  const std::int64_t stride = heads * width;
  at::Tensor y = at::empty_like(x, at::MemoryFormat::Contiguous);
  with_elements(x, [&](auto element) {
    using Element = decltype(element);
    kernels::for_rows(rows, stride, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t position = row % T;
        kernels::cpu::rotate(elements<Element>(x, row * stride), stride,
                             elements<Element>(y, row * stride), stride, &position, 1, heads, width,
                             cosine.const_data_ptr<float>(), sine.const_data_ptr<float>(), sign);
      }
    });
  });
  return y;
}

class Rotate : public torch::autograd::Function<Rotate> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return rotated(x, cosine, sine, 1.0f);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {rotated(gradients[0].contiguous(), saved[0], saved[1], -1.0f), at::Tensor(),
            at::Tensor()};
  }
};

// Heads normed and rotated in one pass on a CUDA device.
class RotateHeads : public torch::autograd::Function<RotateHeads> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& weight, const at::Tensor& cosine,
                            const at::Tensor& sine, double epsilon) {
    const on_device::HeadRotation rotation{cosine, sine, weight.value_or(at::Tensor()), epsilon};
    const at::Tensor y = at::empty_like(x);
    const at::Tensor inverses =
        weight ? at::empty({x.size(0), x.size(1), x.size(2)}, cosine.options()) : at::Tensor();
    on_device::rotate_heads(x, rotation, y, inverses);
    context->save_for_backward(
        {weight ? x : at::Tensor(), rotation.weight, cosine, sine, inverses});
    context->saved_data["epsilon"] = epsilon;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy = gradients[0].contiguous(), dx = at::empty_like(dy);
    const on_device::HeadRotation rotation{saved[2], saved[3], saved[1],
                                           context->saved_data["epsilon"].toDouble()};
    variable_list result(5);
    result[1] = on_device::rotate_heads_backward(dy, saved[0], rotation, saved[4], dx);
    result[0] = dx;
    return result;
  }
};

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    at::Tensor y = at::empty_like(gate);
    context->save_for_backward({gate, up});
    if (on_device::takes(gate)) {
      on_device::activation(kernels::cuda::Kind::kSwiGlu, gate, up, y);
      return y;
    }
    over_elements(y, [&](auto element, std::int64_t begin, std::int64_t count) {
      using Element = decltype(element);
      kernels::cpu::swiglu(elements<Element>(gate, begin), elements<Element>(up, begin), count,
                           elements<Element>(y, begin));
    });
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor gate_gradient = at::empty_like(gate), up_gradient = at::empty_like(up);
    if (on_device::takes(gate)) {
      on_device::activation_backward(kernels::cuda::Kind::kSwiGlu, dy, gate, up, gate_gradient,
                                     up_gradient);
      return {gate_gradient, up_gradient};
    }
    over_elements(dy, [&](auto element, std::int64_t begin, std::int64_t count) {
      using Element = decltype(element);
      kernels::cpu::swiglu_backward(elements<Element>(dy, begin), elements<Element>(gate, begin),
                                    elements<Element>(up, begin), count,
                                    elements<Element>(gate_gradient, begin),
                                    elements<Element>(up_gradient, begin));
    });
    return {gate_gradient, up_gradient};
  }
};

struct ReluSquaredKernels {
  static constexpr kernels::cuda::Kind kKind = kernels::cuda::Kind::kReluSquared;
  template <typename Element>
  static void forward(const Element* x, std::int64_t count, Element* y) {
    kernels::cpu::relu_squared(x, count, y);
  }
  template <typename Element>
  static void backward(const Element* dy, const Element* x, std::int64_t count, Element* dx) {
    kernels::cpu::relu_squared_backward(dy, x, count, dx);
  }
};
struct GeluKernels {
  static constexpr kernels::cuda::Kind kKind = kernels::cuda::Kind::kGelu;
  template <typename Element>
  static void forward(const Element* x, std::int64_t count, Element* y) {
    kernels::cpu::gelu(x, count, y);
  }
  template <typename Element>
  static void backward(const Element* dy, const Element* x, std::int64_t count, Element* dx) {
    kernels::cpu::gelu_backward(dy, x, count, dx);
  }
};

// An activation of one input.
template <typename Kernels>
class Activation : public torch::autograd::Function<Activation<Kernels>> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    at::Tensor y = at::empty_like(x);
    context->save_for_backward({x});
    if (on_device::takes(x)) {
      on_device::activation(Kernels::kKind, x, at::Tensor(), y);
      return y;
    }
    over_elements(x, [&](auto element, std::int64_t begin, std::int64_t count) {
      using Element = decltype(element);
      Kernels::template forward<Element>(elements<Element>(x, begin), count,
                                         elements<Element>(y, begin));
    });
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    at::Tensor dx = at::empty_like(x);
    if (on_device::takes(x)) {
      on_device::activation_backward(Kernels::kKind, dy, x, at::Tensor(), dx, at::Tensor());
      return {dx};
    }
    over_elements(x, [&](auto element, std::int64_t begin, std::int64_t count) {
      using Element = decltype(element);
      Kernels::template backward<Element>(elements<Element>(dy, begin), elements<Element>(x, begin),
                                          count, elements<Element>(dx, begin));
    });
    return {dx};
  }
};

std::int64_t count_scored(const at::Tensor& targets, std::int64_t vocabulary) {
  std::int64_t scored = 0;
  const std::int64_t* target = targets.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i) {
    if (target[i] == -100) continue;
    PANAL_REQUIRE(
        target[i] >= 0 && target[i] < vocabulary,
        fmt::format("target {}: wanted -100 or 0 to {}, found {}", i, vocabulary - 1, target[i]));
    ++scored;
  }
  return scored;
}

// What gradients of the logits are multiplied by: 1 / scored targets. On a CUDA device it stays
// there, so that the host need not wait for the count.
struct GradientScale {
  float value = 0;         // 0: no gradients.
  at::Tensor on_device{};  // [] float32; undefined: no gradients.
};

void rows_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                        const GradientScale& scale, double soft_cap, const at::Tensor& losses) {
  if (on_device::takes(logits)) {
    on_device::cross_entropy(logits, targets, scale.on_device, soft_cap, losses);
    return;
  }
  const std::int64_t width = logits.size(1), stride = logits.stride(0);
  const auto* target = targets.const_data_ptr<std::int64_t>();
  auto* const loss = losses.data_ptr<float>();
  const auto cap = static_cast<float>(soft_cap);
  if (logits.scalar_type() == at::kFloat) {
    kernels::for_rows(logits.size(0), width, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        kernels::cpu::cross_entropy(elements<float>(logits, row * stride), target + row, 1, width,
                                    scale.value, loss + row, cap);
      }
    });
    return;
  }
  const at::Tensor scratch = at::empty({kernels::compute_pool().num_threads(), width}, at::kFloat);
  kernels::for_chunks(logits.size(0), kernels::rows_per_chunk(width),
                      [&](std::int64_t begin, std::int64_t end, int worker) {
                        for (std::int64_t row = begin; row < end; ++row) {
                          kernels::cpu::cross_entropy(elements<std::uint16_t>(logits, row * stride),
                                                      target + row, 1, width, scale.value,
                                                      loss + row, cap,
                                                      scratch.data_ptr<float>() + worker * width);
                        }
                      });
}

struct HeadResult {
  at::Tensor losses;           // [N]
  at::Tensor hidden_gradient;  // [N, C], where asked for
  at::Tensor weight_gradient;  // [V, C], where asked for
};

// `read` is what products read: the weight, or its rounded copy. The gradient of the weight gets
// the type `weight_type`.
HeadResult run_head(const at::Tensor& hidden, const at::Tensor& read, at::ScalarType weight_type,
                    const at::Tensor& targets, const GradientScale& scale, double soft_cap,
                    bool wants_hidden, bool wants_weight) {
  const std::int64_t N = hidden.size(0), V = read.size(0);
  const bool is_on_device = on_device::takes(hidden);
  const std::int64_t chunk = std::clamp<std::int64_t>(
      (is_on_device ? kLogitsPerChunkOnDevice : kLogitsPerChunk) / V, 1, N);
  const at::Tensor inputs = converted(hidden, read.scalar_type());
  HeadResult result{.losses = at::empty({N}, hidden.options().dtype(at::kFloat)),
                    .hidden_gradient = {},
                    .weight_gradient = {}};
  if (wants_hidden) result.hidden_gradient = at::empty_like(hidden);
  // A single product is rounded by itself; several add up in float32 first.
  const bool is_sum = chunk < N || weight_type == at::kFloat;
  if (wants_weight && is_sum) {
    result.weight_gradient = at::empty(read.sizes(), read.options().dtype(at::kFloat));
  }
  for (std::int64_t begin = 0; begin < N; begin += chunk) {
    const std::int64_t length = std::min(chunk, N - begin);
    const at::Tensor rows = inputs.narrow(0, begin, length);
    const at::Tensor logits =  // [length, V], then its gradient
        is_on_device ? product_nt(rows, read) : product_in_apart_rows(rows, read.t());
    rows_cross_entropy(logits, targets.narrow(0, begin, length), scale, soft_cap,
                       result.losses.narrow(0, begin, length));
    if (wants_hidden)
      convert_into(result.hidden_gradient.narrow(0, begin, length), product_nt(logits, read.t()));
    if (!wants_weight) continue;
    if (is_sum) {
      product_into(result.weight_gradient, logits.t(), rows, begin > 0);
    } else {
      result.weight_gradient = product(logits.t(), rows, weight_type);
    }
  }
  if (wants_weight) result.weight_gradient = converted(result.weight_gradient, weight_type);
  return result;
}

class HeadLoss : public torch::autograd::Function<HeadLoss> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden,
                            const at::Tensor& weight, const at::Tensor& read,
                            const at::Tensor& targets, double soft_cap, bool wants_hidden,
                            bool wants_weight) {
    const bool wants_gradients = wants_hidden || wants_weight;
    GradientScale scale;
    at::Tensor num_scored;  // [] float32, where the losses are.
    if (on_device::takes(hidden)) {
      num_scored = targets.ne(-100).sum().to(at::kFloat);
      if (wants_gradients) scale.on_device = num_scored.reciprocal();
    } else {
      const std::int64_t scored = count_scored(targets, weight.size(0));
      PANAL_REQUIRE(scored > 0, "loss: wanted at least one target that is not -100, found none");
      num_scored = at::full({}, scored, at::kFloat);
      if (wants_gradients) scale.value = 1.0f / static_cast<float>(scored);
    }
    const HeadResult result = run_head(hidden, read, weight.scalar_type(), targets, scale, soft_cap,
                                       wants_hidden, wants_weight);
    context->saved_data["hidden"] = result.hidden_gradient;
    context->saved_data["weight"] = result.weight_gradient;
    return result.losses.sum(at::kDouble).div(num_scored).to(at::kFloat);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    variable_list result(7);
    const char* names[] = {"hidden", "weight"};
    const bool is_on_device = on_device::takes(gradients[0]);
    const bool is_one = !is_on_device && gradients[0].item<float>() == 1.0f;
    for (std::size_t i = 0; i < 2; ++i) {
      // Taken out of the graph: who accumulates them may then keep them, instead of a copy.
      at::Tensor saved = context->saved_data[names[i]].toTensor();
      context->saved_data.erase(names[i]);
      if (saved.defined()) result[i] = is_one ? saved : saved.mul_(gradients[0]);
    }
    return result;
  }
};

void check_head(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets) {
  PANAL_REQUIRE(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) &&
                    targets.dim() == 1 && targets.size(0) == hidden.size(0) &&
                    targets.scalar_type() == at::kLong,
                "loss: wanted hidden [N, C], weight [V, C] and int64 targets [N]");
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  PANAL_REQUIRE(weight.dim() == 1 && x.size(-1) == weight.size(0),
                "rms_norm: the weight's length must be the width of x");
  return RmsNorm::apply(x.reshape({-1, x.size(-1)}).contiguous(), weight.contiguous(), epsilon)
      .view(x.sizes());
}

namespace {

void check_positions(const at::Tensor& x, const at::Tensor& cosine) {
  PANAL_REQUIRE(x.dim() == 4 && x.size(3) == 2 * cosine.size(1) && x.size(1) <= cosine.size(0),
                "rotate: wanted x [B, T, heads, head_width] within the table of positions");
}

}  // namespace

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  check_positions(x, cosine);
  return Rotate::apply(x.contiguous(), cosine, sine);
}

at::Tensor rotate_heads(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                        const at::Tensor& cosine, const at::Tensor& sine) {
  if (on_device::takes(x)) {
    check_positions(x, cosine);
    return RotateHeads::apply(x.contiguous(),
                              weight.defined() ? std::optional<at::Tensor>(weight) : std::nullopt,
                              cosine, sine, epsilon);
  }
  if (!weight.defined()) return rotate(x, cosine, sine);
  return rotate(rms_norm(x.to(at::kFloat), weight, epsilon).to(x.scalar_type()), cosine, sine);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  PANAL_REQUIRE(gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type(),
                "swiglu: gate and up must have one shape and type");
  return SwiGlu::apply(gate.contiguous(), up.contiguous());
}

at::Tensor gelu(const at::Tensor& x) { return Activation<GeluKernels>::apply(x.contiguous()); }

at::Tensor relu_squared(const at::Tensor& x) {
  return Activation<ReluSquaredKernels>::apply(x.contiguous());
}

at::Tensor head_loss(const at::Tensor& hidden, const Weight& weight, const at::Tensor& targets,
                     double soft_cap) {
  check_head(hidden, weight.value, targets);
  const bool grows_graph = at::GradMode::is_enabled();
  return HeadLoss::apply(hidden.contiguous(), weight.value, weight.read(), targets.contiguous(),
                         soft_cap, grows_graph && hidden.requires_grad(),
                         grows_graph && weight.value.requires_grad());
}

at::Tensor head_losses(const at::Tensor& hidden, const at::Tensor& weight,
                       const at::Tensor& targets, double soft_cap) {
  check_head(hidden, weight, targets);
  const at::NoGradGuard no_gradient;
  if (!on_device::takes(hidden)) count_scored(targets, weight.size(0));
  return run_head(hidden.contiguous(), weight, weight.scalar_type(), targets.contiguous(), {},
                  soft_cap, false, false)
      .losses;
}

}  // namespace panal::tensor
