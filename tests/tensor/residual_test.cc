// Adding to the residual stream and norming it in one pass equals the two steps in double, with all
// gradients, for both norms, both types and every instruction set.
#include "tensor/residual.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/error.h"
#include "kernels/cpu/dispatch.h"
#include "tensor/layers.h"
#include "tensor/runtime.h"

namespace panal::tensor {
namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

at::Tensor plain_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  constexpr double kEpsilon = 1e-5;
  if (bias.defined()) return at::layer_norm(x, {x.size(-1)}, weight, bias, kEpsilon);
  return x / (x.square().mean(-1, true) + kEpsilon).sqrt() * weight;
}

class Residual : public testing::TestWithParam<kernels::cpu::Level> {
 protected:
  void SetUp() override {
    seed_everything(3);
    kernels::cpu::set_level_for_test(GetParam());
  }
  void TearDown() override {
    kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  }
};

struct Leaf {
  at::Tensor ours, exact;
  Leaf(const at::Tensor& value, at::ScalarType type)
      : ours(value.to(type).set_requires_grad(true)),
        exact(ours.detach().to(at::kDouble).set_requires_grad(true)) {}
  void expect_equal_gradients(double tolerance) const {
    EXPECT_LT(worst(ours.grad(), exact.grad()),
              tolerance * std::max(1.0, exact.grad().abs().max().item<double>()));
  }
};

void expect_equal(std::int64_t width, bool is_centered, bool adds, Precision precision) {
  const bool is_rounded = precision == Precision::kBFloat16;
  const double tolerance = is_rounded ? 2e-2 : 1e-5;  // 8 bits of mantissa.
  const Leaf x(at::randn({3, 7, width}) + 0.5, at::kFloat);
  const Leaf delta(at::randn({3, 7, width}), is_rounded ? at::kBFloat16 : at::kFloat);
  const Leaf weight(at::rand({width}) + 0.5, at::kFloat), bias(at::randn({width}), at::kFloat);
  const Normed found =
      add_norm(x.ours, adds ? delta.ours : at::Tensor(),
               {.weight = weight.ours, .bias = is_centered ? bias.ours : at::Tensor()}, precision);
  const at::Tensor sum = adds ? x.exact + delta.exact : x.exact;
  const at::Tensor values = plain_norm(sum, weight.exact, is_centered ? bias.exact : at::Tensor());
  EXPECT_LT(worst(found.sum, sum), 1e-6);
  EXPECT_LT(worst(found.values, values), tolerance * 4);
  const at::Tensor of_sum = at::randn(x.ours.sizes());
  const at::Tensor of_values = at::randn(x.ours.sizes()).to(found.values.scalar_type());
  ((found.sum * of_sum).sum() + (found.values * of_values).sum().to(at::kFloat)).backward();
  ((sum * of_sum.to(at::kDouble)).sum() + (values * of_values.to(at::kDouble)).sum()).backward();
  x.expect_equal_gradients(tolerance);
  if (adds) delta.expect_equal_gradients(tolerance);
  weight.expect_equal_gradients(tolerance);
  if (is_centered) bias.expect_equal_gradients(tolerance);
}

TEST_P(Residual, EqualsAddingThenNorming) {
  for (const std::int64_t width : {5, 16, 48, 70}) {
    for (const bool is_centered : {false, true}) {
      for (const bool adds : {false, true}) {
        expect_equal(width, is_centered, adds, Precision::kFloat32);
        expect_equal(width, is_centered, adds, Precision::kBFloat16);
      }
    }
  }
}

// The last layer's stream is not used, and the first norm may feed nothing.
TEST_P(Residual, GradientsFlowThroughEitherResultAlone) {
  const Leaf x(at::randn({4, 20}), at::kFloat), delta(at::randn({4, 20}), at::kFloat);
  const NormWeights norm{.weight = at::ones({20})};
  add_norm(x.ours, delta.ours, norm, Precision::kFloat32).values.square().sum().backward();
  plain_norm(x.exact + delta.exact, at::ones({20}, at::kDouble), {}).square().sum().backward();
  x.expect_equal_gradients(1e-5);
  const Leaf only(at::randn({4, 20}), at::kFloat);
  add_norm(only.ours, delta.ours, norm, Precision::kFloat32).sum.sum().backward();
  EXPECT_TRUE(at::equal(only.ours.grad(), at::ones({4, 20})));
}

TEST_P(Residual, ActivationsEqualTorchInBothTypes) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const double tolerance = type == at::kFloat ? 2e-6 : 2e-2;
    const Leaf x(at::randn({3, 37}) * 3, type), up(at::randn({3, 37}), type);
    const Leaf other(at::randn({3, 37}) * 3, type);
    const at::Tensor ours = panal::tensor::gelu(x.ours),
                     gated = panal::tensor::swiglu(other.ours, up.ours);
    const at::Tensor exact = at::gelu(x.exact, "tanh");
    const at::Tensor exact_gated = at::silu(other.exact) * up.exact;
    EXPECT_LT(worst(ours, exact), tolerance * 4);
    EXPECT_LT(worst(gated, exact_gated), tolerance * 16);
    const at::Tensor direction = at::randn({3, 37}).to(type);
    (ours * direction + gated * direction).sum().backward();
    (exact * direction + exact_gated * direction).sum().backward();
    for (const Leaf* leaf : {&x, &up, &other}) leaf->expect_equal_gradients(tolerance);
  }
}

TEST_P(Residual, LinearAddsItsBias) {
  const Leaf x(at::randn({9, 24}), at::kFloat), weight(at::randn({40, 24}), at::kFloat),
      bias(at::randn({40}), at::kFloat);
  const at::Tensor ours = panal::tensor::linear(x.ours, {weight.ours}, bias.ours);
  const at::Tensor exact = at::matmul(x.exact, weight.exact.t()) + bias.exact;
  EXPECT_LT(worst(ours, exact), 2e-5);
  const at::Tensor direction = at::randn({9, 40});
  (ours * direction).sum().backward();
  (exact * direction).sum().backward();
  for (const Leaf* leaf : {&x, &weight, &bias}) leaf->expect_equal_gradients(1e-5);
}

INSTANTIATE_TEST_SUITE_P(Levels, Residual,
                         testing::Values(kernels::cpu::Level::kBaseline, kernels::cpu::Level::kAvx2,
                                         kernels::cpu::Level::kAvx512,
                                         kernels::cpu::Level::kAvx512BFloat16));

TEST(ResidualErrors, RefusesWhatDoesNotFit) {
  const at::Tensor x = at::randn({2, 8});
  const NormWeights norm{.weight = at::ones({8})};
  EXPECT_THROW(add_norm(x, at::randn({2, 7}), norm, Precision::kFloat32), Error);
  EXPECT_THROW(add_norm(x, x, norm, Precision::kBFloat16), Error);
  EXPECT_THROW(add_norm(x, {}, {.weight = at::ones({7})}, Precision::kFloat32), Error);
}

}  // namespace
}  // namespace panal::tensor
