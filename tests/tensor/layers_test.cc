// The fused, differentiable layers equal torch's own in many passes, with their gradients.
#include "tensor/layers.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/error.h"
#include "tensor/linear.h"
#include "tensor/runtime.h"

namespace panal::tensor {
namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.detach() - b.detach()).abs().max().item<double>();
}

struct Leaves {
  std::vector<at::Tensor> ours, theirs;
};

Leaves leaves(const std::vector<std::vector<std::int64_t>>& shapes) {
  Leaves made;
  for (const auto& shape : shapes) {
    made.ours.push_back(at::randn(shape).set_requires_grad(true));
    made.theirs.push_back(made.ours.back().detach().clone().set_requires_grad(true));
  }
  return made;
}

void expect_equal_gradients(const Leaves& made, const at::Tensor& ours, const at::Tensor& theirs) {
  EXPECT_LT(worst(ours, theirs), 2e-5);
  const at::Tensor direction = at::randn_like(ours);
  (ours * direction).sum().backward();
  (theirs * direction).sum().backward();
  for (std::size_t i = 0; i < made.ours.size(); ++i) {
    EXPECT_LT(worst(made.ours[i].grad(), made.theirs[i].grad()), 1e-4) << i;
  }
}

class Layers : public testing::Test {
 protected:
  void SetUp() override { seed_everything(11); }
};

TEST_F(Layers, LinearEqualsMatmulSmallAndLarge) {
  for (const std::int64_t width : {8, 130}) {
    const Leaves made = leaves({{3, 40, width}, {70, width}});
    expect_equal_gradients(made, panal::tensor::linear(made.ours[0], {made.ours[1]}),
                           at::matmul(made.theirs[0], made.theirs[1].t()));
    const Leaves transposed = leaves({{90, width}, {width, 70}});
    expect_equal_gradients(transposed,
                           panal::tensor::linear(transposed.ours[0], {transposed.ours[1].t()}),
                           at::matmul(transposed.theirs[0], transposed.theirs[1]));
  }
}

TEST_F(Layers, AnAdapterEqualsItsTwoProducts) {
  const Leaves made = leaves({{3, 50, 40}, {6, 40}, {70, 6}});
  const at::Tensor weight = at::randn({70, 40});
  const at::Tensor &x = made.theirs[0], &down = made.theirs[1], &up = made.theirs[2];
  expect_equal_gradients(
      made, linear_with_adapter(made.ours[0], {weight}, {made.ours[1], made.ours[2], 0.25}),
      at::matmul(x, weight.t()) + at::matmul(at::matmul(x, down.t()), up.t()) * 0.25);
}

// Within what rounding inputs, weights and results to 8 bits of mantissa explains.
TEST_F(Layers, ProductsInBfloat16EqualThoseInFloat32UpToTheirRounding) {
  const Leaves made = leaves({{130, 64}, {90, 64}});
  const at::Tensor ours =
      panal::tensor::linear(made.ours[0], {made.ours[1], made.ours[1].detach().to(at::kBFloat16)});
  const at::Tensor theirs = at::matmul(made.theirs[0], made.theirs[1].t());
  const at::Tensor direction = at::randn_like(ours);
  (ours * direction).sum().backward();
  (theirs * direction).sum().backward();
  const auto relative = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  };
  EXPECT_EQ(ours.scalar_type(), at::kFloat);
  EXPECT_LT(relative(ours.detach(), theirs.detach()), 5e-3);
  EXPECT_GT(relative(ours.detach(), theirs.detach()), 1e-5);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_LT(relative(made.ours[i].grad(), made.theirs[i].grad()), 5e-3) << i;
}

TEST_F(Layers, HeadLossInBfloat16EqualsFloat32UpToItsRounding) {
  const Leaves made = leaves({{200, 32}, {300, 32}});
  const at::Tensor targets = at::randint(0, 300, {200}, at::kLong);
  const at::Tensor ours =
      head_loss(made.ours[0], {made.ours[1], made.ours[1].detach().to(at::kBFloat16)}, targets);
  const at::Tensor theirs = head_loss(made.theirs[0], {made.theirs[1]}, targets);
  EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 2e-2);
  ours.backward();
  theirs.backward();
  for (std::size_t i = 0; i < 2; ++i) {
    const at::Tensor wanted = made.theirs[i].grad();
    EXPECT_LT(((made.ours[i].grad() - wanted).norm() / wanted.norm()).item<double>(), 2e-2) << i;
  }
}

TEST_F(Layers, AFrozenWeightGetsNoGradient) {
  const at::Tensor x = at::randn({20, 64}).set_requires_grad(true), weight = at::randn({64, 64});
  panal::tensor::linear(x, {weight}).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST_F(Layers, RmsNormEqualsTorch) {
  const Leaves made = leaves({{5, 7, 48}, {48}});
  expect_equal_gradients(made, rms_norm(made.ours[0], made.ours[1], 1e-5),
                         at::rms_norm(made.theirs[0], {48}, made.theirs[1], 1e-5));
}

TEST_F(Layers, SwigluEqualsSiluTimesUp) {
  const Leaves made = leaves({{33, 50}, {33, 50}});
  expect_equal_gradients(made, swiglu(made.ours[0], made.ours[1]),
                         at::silu(made.theirs[0]) * made.theirs[1]);
}

TEST_F(Layers, HeadLossEqualsCrossEntropyOfAllLogits) {
  const Leaves made = leaves({{30, 16}, {90, 16}});
  at::Tensor targets = at::randint(0, 90, {30}, at::kLong);
  targets[4] = -100;
  targets[29] = -100;
  const at::Tensor ours = head_loss(made.ours[0], {made.ours[1]}, targets);
  const at::Tensor theirs = at::cross_entropy_loss(at::matmul(made.theirs[0], made.theirs[1].t()),
                                                   targets, {}, at::Reduction::Mean, -100);
  expect_equal_gradients(made, ours, theirs);
  const at::Tensor each = head_losses(made.ours[0], made.ours[1], targets);
  EXPECT_NEAR(each.sum().item<double>() / 28, theirs.item<double>(), 1e-5);
  EXPECT_EQ(each[4].item<float>(), 0.0f);
}

TEST_F(Layers, ReluSquaredEqualsTheSquareOfRelu) {
  const Leaves made = leaves({{33, 50}});
  expect_equal_gradients(made, relu_squared(made.ours[0]), at::relu(made.theirs[0]).square());
}

TEST_F(Layers, HeadLossWithASoftCapEqualsCrossEntropyOfCappedLogits) {
  const Leaves made = leaves({{30, 16}, {90, 16}});
  const at::Tensor targets = at::randint(0, 90, {30}, at::kLong);
  const at::Tensor logits = at::matmul(made.theirs[0], made.theirs[1].t());
  const at::Tensor theirs =
      at::cross_entropy_loss(at::tanh(logits / 2.5) * 2.5, targets, {}, at::Reduction::Mean, -100);
  expect_equal_gradients(made, head_loss(made.ours[0], {made.ours[1]}, targets, 2.5), theirs);
  const at::Tensor each = head_losses(made.ours[0], made.ours[1], targets, 2.5);
  EXPECT_NEAR(each.mean().item<double>(), theirs.item<double>(), 1e-5);
}

// More logits than one chunk holds: 600 rows of 40,000.
TEST_F(Layers, HeadLossInSeveralChunksEqualsOne) {
  const Leaves made = leaves({{600, 4}, {40000, 4}});
  const at::Tensor targets = at::randint(0, 40000, {600}, at::kLong);
  expect_equal_gradients(made, head_loss(made.ours[0], {made.ours[1]}, targets),
                         at::cross_entropy_loss(at::matmul(made.theirs[0], made.theirs[1].t()),
                                                targets, {}, at::Reduction::Mean, -100));
}

TEST_F(Layers, HeadLossWorksWithoutAGraphAndRefusesBadTargets) {
  const at::NoGradGuard no_gradient;
  const at::Tensor hidden = at::randn({2, 8}).set_requires_grad(true), weight = at::randn({9, 8});
  const at::Tensor loss = head_loss(hidden, {weight}, at::tensor({1, 2}, at::kLong));
  EXPECT_FALSE(loss.requires_grad());
  EXPECT_GT(loss.item<float>(), 0.0f);
  EXPECT_THROW(head_loss(hidden, {weight}, at::tensor({1, 9}, at::kLong)), Error);
  EXPECT_THROW(head_loss(hidden, {weight}, at::tensor({-100, -100}, at::kLong)), Error);
}

}  // namespace
}  // namespace panal::tensor
