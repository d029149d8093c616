// Every CUDA operation of a layer equals a plain double loop: on a device where one answers, always
// on the host by simulated threads, and by its CPU twin where that is a kernel of ours.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/residual.h"
#include "kernels/cuda/activation_body.h"
#include "kernels/cuda/all.h"
#include "kernels/cuda/cross_entropy_body.h"
#include "kernels/cuda/norm_body.h"
#include "tests/kernels/kernel_twins.h"

namespace panal::kernels::cuda {

// Beside the operations, so that the fixture finds them by their arguments.
template <typename Operation>
static cpu::NormPlan norm_plan(const Operation& op) {
  return {.rows = op.rows, .width = op.width, .weight = op.weight, .is_centered = op.is_centred};
}
template <typename Value>
static bool cpu_twin(const ResidualNorm<Value>& op) {
  if (op.is_centred != (op.bias != nullptr)) return false;
  cpu::NormPlan plan = norm_plan(op);
  plan.epsilon = op.epsilon;
  plan.bias = op.bias;
  cpu::add_norm(plan, op.x, op.branch, op.sum, op.y, op.mean, op.inverse);
  return true;
}
static bool cpu_twin(const Activation<float, Kind::kSwiGlu>& op) {
  cpu::swiglu(op.gate, op.up, op.count, op.y);
  return true;
}
static bool cpu_twin(const ActivationBackward<float, Kind::kSwiGlu>& op) {
  cpu::swiglu_backward(op.dy, op.gate, op.up, op.count, op.d_gate, op.d_up);
  return true;
}
static bool cpu_twin(const QkNormRotate<float>& op) {
  if (op.weight != nullptr || op.positions == nullptr || op.cosine == nullptr) return false;
  cpu::rotate(op.x, op.x_stride, op.y, op.y_stride, op.positions, op.rows, op.heads, op.head_width,
              op.cosine, op.sine, 1.0f);
  return true;
}
template <typename Value>
static bool cpu_twin(const CrossEntropy<Value>& op) {
  cpu::cross_entropy(op.logits, op.targets, op.rows, op.width,
                     op.gradient_scale == nullptr ? 0.0f : *op.gradient_scale, op.losses,
                     op.soft_cap);
  return true;
}
static bool cpu_twin(const Activation<float, Kind::kReluSquared>& op) {
  cpu::relu_squared(op.gate, op.count, op.y);
  return true;
}
static bool cpu_twin(const ActivationBackward<float, Kind::kReluSquared>& op) {
  cpu::relu_squared_backward(op.dy, op.gate, op.count, op.d_gate);
  return true;
}
template <typename Value>
static bool cpu_twin(const ResidualNormBackward<Value>& op) {
  if (op.is_centred != (op.bias_parts != nullptr)) return false;
  std::fill(op.weight_parts, op.weight_parts + op.parts * op.width, 0.0f);
  if (op.bias_parts != nullptr) std::fill(op.bias_parts, op.bias_parts + op.parts * op.width, 0.0f);
  for (std::int64_t row = 0; row < op.rows; ++row) {
    const std::int64_t start = row * op.width, part = row % op.parts * op.width;
    cpu::NormPlan plan = norm_plan(op);
    plan.rows = 1;
    cpu::add_norm_backward(
        plan, cpu::NormGradients<Value>{
                  .sum = op.sum + start,
                  .means = op.is_centred ? op.mean + row : nullptr,
                  .inverses = op.inverse + row,
                  .sum_gradient = op.d_sum == nullptr ? nullptr : op.d_sum + start,
                  .y_gradient = op.dy + start,
                  .x_gradient = op.dx + start,
                  .delta_gradient = op.d_branch == nullptr ? nullptr : op.d_branch + start,
                  .weight_gradient = op.weight_parts + part,
                  .bias_gradient = op.bias_parts == nullptr ? nullptr : op.bias_parts + part});
  }
  return true;
}
// The CPU's layers leave this sum to the library.
static bool cpu_twin(const SumRows& op) {
  for (std::int64_t i = 0; i < op.width; ++i) {
    if (!op.adds) op.total[i] = 0;
    for (std::int64_t row = 0; row < op.rows; ++row) op.total[i] += op.parts[row * op.width + i];
  }
  return true;
}
namespace {

INSTANTIATE_TEST_SUITE_P(Backends, Twins,
                         testing::Values(Backend::kSimulated, Backend::kDevice, Backend::kCpu),
                         backend_name);

struct NormCase {
  std::int64_t rows, width;
  bool has_branch, is_centred, has_bias;
};
const NormCase kNormCases[] = {{3, 64, true, false, false},
                               {2, 77, true, true, true},
                               {2, 2056, false, true, false},
                               {5, 5, false, false, false}};

class NormTwins : public Twins {
 protected:
  template <typename Value>
  void check(const NormCase& c) {
    const std::string what = std::to_string(c.rows) + " x " + std::to_string(c.width);
    const auto x_values = random(c.rows * c.width, 2.0), past_values = random(c.rows * c.width);
    const auto branch_values = stored_as<Value>(random(c.rows * c.width)),
               dy_values = stored_as<Value>(random(c.rows * c.width));
    const auto weight_values = random(c.width), bias_values = random(c.width);
    auto x = array(x_values), branch = array(branch_values), dy = array(dy_values),
         past = array(past_values);
    auto weight = array(weight_values), bias = array(bias_values);
    auto sum = empty<float>(c.rows * c.width), dx = empty<float>(c.rows * c.width);
    auto y = empty<Value>(c.rows * c.width), d_branch = empty<Value>(c.rows * c.width);
    auto mean = empty<float>(c.rows), inverse = empty<float>(c.rows);
    const ResidualNorm<Value> forward{.x = x.pointer(),
                                      .branch = c.has_branch ? branch.pointer() : nullptr,
                                      .weight = weight.pointer(),
                                      .bias = c.has_bias ? bias.pointer() : nullptr,
                                      .epsilon = 1e-5f,
                                      .is_centred = c.is_centred,
                                      .rows = c.rows,
                                      .width = c.width,
                                      .sum = c.has_branch ? sum.pointer() : nullptr,
                                      .y = y.pointer(),
                                      .mean = mean.pointer(),
                                      .inverse = inverse.pointer()};
    if (!run(forward)) return;
    const std::int64_t parts = std::min<std::int64_t>(2, c.rows);
    auto weight_parts = empty<float>(parts * c.width), bias_parts = empty<float>(parts * c.width);
    auto weight_total = array(std::vector<float>(static_cast<std::size_t>(c.width), 1.0f)),
         bias_total = empty<float>(c.width);
    const bool ran =
        run(ResidualNormBackward<Value>{.dy = dy.pointer(),
                                        .d_sum = c.has_branch ? past.pointer() : nullptr,
                                        .sum = c.has_branch ? sum.pointer() : x.pointer(),
                                        .weight = weight.pointer(),
                                        .mean = mean.pointer(),
                                        .inverse = inverse.pointer(),
                                        .is_centred = c.is_centred,
                                        .rows = c.rows,
                                        .width = c.width,
                                        .parts = parts,
                                        .dx = dx.pointer(),
                                        .d_branch = c.has_branch ? d_branch.pointer() : nullptr,
                                        .weight_parts = weight_parts.pointer(),
                                        .bias_parts = c.has_bias ? bias_parts.pointer() : nullptr});
    if (ran) {
      run(SumRows{weight_parts.pointer(), parts, c.width, true, weight_total.pointer()});
      if (c.has_bias)
        run(SumRows{bias_parts.pointer(), parts, c.width, false, bias_total.pointer()});
    }

    const auto width = static_cast<std::size_t>(c.width);
    std::vector<double> wanted_y, wanted_dx, d_weight(width, 1.0), d_bias(width, 0.0);
    std::vector<double> added;
    for (std::size_t i = 0; i < x_values.size(); ++i) {
      added.push_back(x_values[i] + (c.has_branch ? to_float(branch_values[i]) : 0));
    }
    if (c.has_branch) expect_near(sum.read(), added, what + " sum");
    for (std::size_t row = 0; row < static_cast<std::size_t>(c.rows); ++row) {
      const double* const s = added.data() + row * width;
      double middle = 0, squares = 0, straight = 0, along = 0;
      for (std::size_t i = 0; i < width; ++i) middle += c.is_centred ? s[i] / double(c.width) : 0.0;
      for (std::size_t i = 0; i < width; ++i) squares += (s[i] - middle) * (s[i] - middle);
      const double scale = 1 / std::sqrt(squares / double(c.width) + 1e-5);
      for (std::size_t i = 0; i < width; ++i) {
        const double normed = (s[i] - middle) * scale, g = to_float(dy_values[row * width + i]);
        wanted_y.push_back(normed * weight_values[i] + (c.has_bias ? bias_values[i] : 0.0f));
        d_weight[i] += g * normed;
        d_bias[i] += g;
        straight += c.is_centred ? g * weight_values[i] / double(c.width) : 0.0;
        along += g * weight_values[i] * normed / double(c.width);
      }
      for (std::size_t i = 0; i < width; ++i) {
        const double normed = (s[i] - middle) * scale, g = to_float(dy_values[row * width + i]);
        wanted_dx.push_back(scale * (g * weight_values[i] - straight - normed * along) +
                            (c.has_branch ? past_values[row * width + i] : 0.0f));
      }
    }
    expect_near(y.read(), wanted_y, what + " y");
    if (!ran) return;
    expect_near(dx.read(), wanted_dx, what + " dx");
    if (c.has_branch) expect_near(d_branch.read(), wanted_dx, what + " branch");
    expect_near(weight_total.read(), d_weight, what + " weight");
    if (c.has_bias) expect_near(bias_total.read(), d_bias, what + " bias");
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, NormTwins,
                         testing::Values(Backend::kSimulated, Backend::kDevice, Backend::kCpu),
                         backend_name);

TEST_P(NormTwins, ResidualNormAndItsGradients) {
  for (const NormCase& c : kNormCases) {
    check<float>(c);
    check<Half>(c);
  }
}

// Heads of 6 leave lanes without work, 128 give lanes several pairs; rows lie apart.
TEST_P(Twins, QkNormRotateAndItsGradients) {
  for (const std::int64_t head_width : {6, 128}) {
    for (const bool has_norm : {false, true}) {
      const std::int64_t rows = 5, heads = 3, half = head_width / 2;
      const std::int64_t stride = heads * head_width + 4;
      const auto x_values = random(rows * stride), dy_values = random(rows * stride),
                 weight_values = random(head_width), angles = random(8 * half);
      std::vector<float> cosine_values, sine_values;
      for (const float angle : angles) {
        cosine_values.push_back(std::cos(angle));
        sine_values.push_back(std::sin(angle));
      }
      auto x = array(x_values), dy = array(dy_values), weight = array(weight_values),
           cosine = array(cosine_values), sine = array(sine_values);
      const std::vector<std::int64_t> places = {7, 0, 3, 3, 1};
      auto positions = array(places);
      auto y = empty<float>(rows * stride), dx = empty<float>(rows * stride),
           inverse = empty<float>(rows * heads), parts = empty<float>(2 * head_width),
           d_weight = empty<float>(head_width);
      const QkNormRotate<float> forward{.x = x.pointer(),
                                        .x_stride = stride,
                                        .weight = has_norm ? weight.pointer() : nullptr,
                                        .cosine = cosine.pointer(),
                                        .sine = sine.pointer(),
                                        .positions = positions.pointer(),
                                        .epsilon = 1e-6f,
                                        .rows = rows,
                                        .heads = heads,
                                        .head_width = head_width,
                                        .y = y.pointer(),
                                        .y_stride = stride,
                                        .inverse = inverse.pointer()};
      if (!run(forward)) continue;
      const bool ran = run(QkNormRotateBackward<float>{.forward = forward,
                                                       .dy = dy.pointer(),
                                                       .dx = dx.pointer(),
                                                       .parts = 2,
                                                       .weight_parts = parts.pointer()});
      if (ran && has_norm) run(SumRows{parts.pointer(), 2, head_width, false, d_weight.pointer()});
      std::vector<double> wanted_y(x_values.size(), 0.0), wanted_dx(x_values.size(), 0.0),
          wanted_weight(static_cast<std::size_t>(head_width), 0.0);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t head = 0; head < heads; ++head) {
          const auto start = static_cast<std::size_t>(row * stride + head * head_width);
          const auto table = static_cast<std::size_t>(places[static_cast<std::size_t>(row)] * half);
          const auto h = static_cast<std::size_t>(half), w = static_cast<std::size_t>(head_width);
          double squares = 0, along = 0;
          for (std::size_t i = 0; i < w; ++i)
            squares += double{x_values[start + i]} * x_values[start + i];
          const double scale = has_norm ? 1 / std::sqrt(squares / double(w) + 1e-6) : 1.0;
          const auto gain = [&](std::size_t i) { return has_norm ? weight_values[i] : 1.0; };
          std::vector<double> rotated(w);
          for (std::size_t i = 0; i < h; ++i) {
            const double c = cosine_values[table + i], s = sine_values[table + i];
            const double a = x_values[start + i] * scale * gain(i),
                         b = x_values[start + h + i] * scale * gain(h + i);
            wanted_y[start + i] = a * c - b * s;
            wanted_y[start + h + i] = b * c + a * s;
            const double da = dy_values[start + i], db = dy_values[start + h + i];
            rotated[i] = da * c + db * s;
            rotated[h + i] = db * c - da * s;
          }
          for (std::size_t i = 0; i < w; ++i) {
            const double normed = x_values[start + i] * scale;
            wanted_weight[i] += rotated[i] * normed;
            along += rotated[i] * gain(i) * normed / double(w);
          }
          for (std::size_t i = 0; i < w; ++i)
            wanted_dx[start + i] =
                has_norm ? scale * (rotated[i] * gain(i) - x_values[start + i] * scale * along)
                         : rotated[i];
        }
      }
      expect_near(y.read(), wanted_y, "y");
      if (!ran) continue;
      expect_near(dx.read(), wanted_dx, "dx");
      if (has_norm) expect_near(d_weight.read(), wanted_weight, "weight");
    }
  }
}

double plain_activation(Kind kind, double gate, double up) {
  if (kind == Kind::kSwiGlu) return gate / (1 + std::exp(-gate)) * up;
  if (kind == Kind::kGelu)
    return 0.5 * gate *
           (1 + std::tanh(std::sqrt(2 / M_PI) * (gate + 0.044715 * std::pow(gate, 3))));
  return gate > 0 ? gate * gate : 0.0;
}

class ActivationTwins : public Twins {
 protected:
  // Gradients by central differences of the double form: their error is far below the tolerance.
  template <typename Value, Kind kKind>
  void check() {
    for (const std::int64_t count : {3, 4099}) {
      const auto gate_values = stored_as<Value>(random(count, 2.0)),
                 up_values = stored_as<Value>(random(count)),
                 dy_values = stored_as<Value>(random(count));
      auto gate = array(gate_values), up = array(up_values), dy = array(dy_values);
      auto y = empty<Value>(count), d_gate = empty<Value>(count), d_up = empty<Value>(count);
      const bool ran =
          run(Activation<Value, kKind>{gate.pointer(), up.pointer(), count, y.pointer()});
      const bool ran_back = run(ActivationBackward<Value, kKind>{
          dy.pointer(), gate.pointer(), up.pointer(), count, d_gate.pointer(), d_up.pointer()});
      std::vector<double> wanted, of_gate, of_up;
      for (std::size_t i = 0; i < gate_values.size(); ++i) {
        const double g = to_float(gate_values[i]), u = to_float(up_values[i]),
                     upstream = to_float(dy_values[i]), step = 1e-5;
        wanted.push_back(plain_activation(kKind, g, u));
        of_gate.push_back(
            upstream *
            (plain_activation(kKind, g + step, u) - plain_activation(kKind, g - step, u)) /
            (2 * step));
        of_up.push_back(kKind == Kind::kSwiGlu ? upstream * plain_activation(kKind, g, 1.0) : 0.0);
      }
      if (ran) expect_near(y.read(), wanted, "y");
      if (!ran_back) continue;
      expect_near(d_gate.read(), of_gate, "gate");
      expect_near(d_up.read(), of_up, "up");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, ActivationTwins,
                         testing::Values(Backend::kSimulated, Backend::kDevice, Backend::kCpu),
                         backend_name);

TEST_P(ActivationTwins, ValuesAndGradients) {
  check<float, Kind::kSwiGlu>();
  check<Half, Kind::kSwiGlu>();
  check<float, Kind::kGelu>();
  check<Half, Kind::kGelu>();
  check<float, Kind::kReluSquared>();
  check<Half, Kind::kReluSquared>();
}

class EntropyTwins : public Twins {
 protected:
  template <typename Value>
  void check(std::int64_t width, float soft_cap) {
    const std::int64_t rows = 4;
    auto values = random(rows * width, 4.0);
    values[0] = 60.0f;  // Sums must be shifted by the maximum.
    const auto logit_values = stored_as<Value>(values);
    const std::vector<std::int64_t> target_values = {0, -100, width - 1, width / 2};
    auto logits = array(logit_values);
    auto targets = array(target_values);
    auto losses = empty<float>(rows);
    auto scale = array(std::vector<float>{0.25f});
    if (!run(CrossEntropy<Value>{logits.pointer(), targets.pointer(), rows, width, scale.pointer(),
                                 soft_cap, losses.pointer()}))
      return;
    std::vector<double> wanted, gradient;
    const auto capped = [&](double x) {
      return soft_cap > 0 ? soft_cap * std::tanh(x / soft_cap) : x;
    };
    for (std::size_t row = 0; row < 4; ++row) {
      const auto w = static_cast<std::size_t>(width);
      const std::int64_t target = target_values[row];
      double total = 0;
      for (std::size_t i = 0; i < w; ++i)
        total += std::exp(capped(to_float(logit_values[row * w + i])));
      wanted.push_back(
          target < 0
              ? 0.0
              : std::log(total) -
                    capped(to_float(logit_values[row * w + static_cast<std::size_t>(target)])));
      for (std::size_t i = 0; i < w; ++i) {
        const double z = capped(to_float(logit_values[row * w + i]));
        const double slope = soft_cap > 0 ? 1 - z * z / (double{soft_cap} * soft_cap) : 1.0;
        const double hit = static_cast<std::int64_t>(i) == target ? 1.0 : 0.0;
        gradient.push_back(target < 0 ? 0.0 : 0.25 * (std::exp(z) / total - hit) * slope);
      }
    }
    expect_near(losses.read(), wanted, "losses");
    expect_near(logits.read(), gradient, "gradient");
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, EntropyTwins,
                         testing::Values(Backend::kSimulated, Backend::kDevice, Backend::kCpu),
                         backend_name);

TEST_P(EntropyTwins, LossesAndGradients) {
  for (const std::int64_t width : {7, 1000, 5003}) {
    for (const float soft_cap : {0.0f, 15.0f}) {
      check<float>(width, soft_cap);
      check<Half>(width, soft_cap);
    }
  }
}

// The host is not asked, so a wrong target shows itself in the loss and reads nothing outside.
TEST_P(Twins, ATargetOutOfRangeGivesNan) {
  auto logits = array(random(20));
  auto targets = array(std::vector<std::int64_t>{10, -7});
  auto losses = empty<float>(2);
  if (GetParam() == Backend::kCpu) return;  // Its callers check targets beforehand.
  run(CrossEntropy<float>{logits.pointer(), targets.pointer(), 2, 10, nullptr, 0.0f,
                          losses.pointer()});
  for (const float loss : losses.read()) EXPECT_TRUE(std::isnan(loss));
}

TEST(CudaKernels, SayWhyTheyCannotRun) {
  if (device_answers()) return;
  EXPECT_FALSE(why_no_device().empty());
  EXPECT_THROW(
      launch(SumRows{.parts = nullptr, .rows = 1, .width = 1, .adds = false, .total = nullptr},
             nullptr),
      Error);
  EXPECT_THROW(allocate(16), Error);
}

}  // namespace
}  // namespace panal::kernels::cuda
