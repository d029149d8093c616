// Weight updates: the split of a float into bfloat16 and remainder at every place it could lose a
// bit, and each kernel at each instruction set against the formula in double precision.
#include "tensor/update.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/dispatch.h"

namespace panal::tensor {
namespace {

ExactParameter halves_like(const at::Tensor& values) {
  return {at::zeros(values.sizes(), at::kBFloat16), at::zeros(values.sizes(), at::kShort)};
}

class EachLevel : public testing::TestWithParam<kernels::cpu::Level> {
 protected:
  void SetUp() override { kernels::cpu::set_level_for_test(GetParam()); }
  void TearDown() override {
    kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  }
};
INSTANTIATE_TEST_SUITE_P(Update, EachLevel,
                         testing::Values(kernels::cpu::Level::kBaseline, kernels::cpu::Level::kAvx2,
                                         kernels::cpu::Level::kAvx512));

// All 65,536 upper halves, each with the lower halves around zero, the tie and the next bfloat16:
// what is joined is what was split, NaN and infinity too, and finite values are rounded to nearest.
TEST_P(EachLevel, SplitsAndJoinsEveryBitPatternNearTies) {
  const std::vector<std::uint32_t> lows{0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  const auto count = static_cast<std::int64_t>(65536 * lows.size());
  const at::Tensor bits = at::empty({count}, at::kInt);
  auto* const all = reinterpret_cast<std::uint32_t*>(bits.data_ptr<std::int32_t>());
  for (std::uint32_t high = 0, i = 0; high < 65536; ++high) {
    for (const std::uint32_t low : lows) all[i++] = high << 16 | low;
  }
  const at::Tensor exact = bits.view(at::kFloat);
  const ExactParameter parameter = halves_like(exact);
  set_exact_values(parameter, exact);
  EXPECT_TRUE(at::equal(exact_values(parameter).view(at::kInt), bits));
  const at::Tensor rounded = parameter.value.to(at::kFloat);
  const auto* const nearest = rounded.data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    // Denormals are compared as bits above: arithmetic flushes them to zero here.
    if ((all[i] & 0x7F800000u) == 0) continue;
    const float value = std::bit_cast<float>(all[i]);
    // Over the largest bfloat16 the nearest is infinity, whose distance says nothing.
    if (!std::isfinite(value) || !std::isfinite(nearest[i])) continue;
    const double below = std::bit_cast<float>(all[i] & 0xFFFF0000u);
    const double half =
        std::abs(static_cast<double>(std::bit_cast<float>((all[i] & 0x7F800000u) | 0x00010000u)) -
                 static_cast<double>(std::bit_cast<float>(all[i] & 0x7F800000u)));
    ASSERT_LE(std::abs(nearest[i] - static_cast<double>(value)), half / 2) << all[i];
    if ((all[i] & 0xFFFF) < 0x8000) {
      ASSERT_EQ(nearest[i], below) << all[i];
    }
  }
}

TEST_P(EachLevel, AdamWEqualsTheFormulaInDoubleForEveryStorage) {
  at::manual_seed(5);
  constexpr std::int64_t kCount = 16 * 7 + 5;  // Whole vectors and a rest.
  const AdamWStep step{.learning_rate = 0.01,
                       .beta1 = 0.9,
                       .beta2 = 0.95,
                       .epsilon = 1e-8,
                       .weight_decay = 0.1,
                       .gradient_scale = 0.25,
                       .step = 3};
  for (const bool has_halves : {false, true}) {
    for (const auto gradient_type : {at::kFloat, at::kBFloat16}) {
      for (const auto moment_type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor start = at::randn({kCount});
        const at::Tensor gradient = at::randn({kCount}).to(gradient_type);
        const at::Tensor first = (at::randn({kCount}) * 0.1).to(moment_type);
        at::Tensor second = at::rand({kCount});
        second[3] = 0.0;
        const at::Tensor g = gradient.to(at::kDouble) * 0.25;
        const at::Tensor m = first.to(at::kDouble) * 0.9 + g * 0.1;
        const at::Tensor v = second.to(at::kDouble) * 0.95 + g * g * 0.05;
        const at::Tensor wanted =
            start.to(at::kDouble) * (1 - 0.001) -
            0.01 * (m / (1 - std::pow(0.9, 3))) / ((v / (1 - std::pow(0.95, 3))).sqrt() + 1e-8);
        const ExactParameter parameter =
            has_halves ? halves_like(start) : ExactParameter{at::empty_like(start)};
        set_exact_values(parameter, start);
        const AdamWUpdate update{parameter, gradient, first, second, step};
        adamw_steps({&update, 1});
        const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
          return (a.to(at::kDouble) - b).abs().max().item<double>();
        };
        EXPECT_LT(distance(exact_values(parameter), wanted), 1e-6);  // Float32 rounding.
        EXPECT_LT(distance(second, v), 1e-6);
        EXPECT_LT(distance(first, m), moment_type == at::kFloat ? 1e-7 : 2e-3);  // 8 bits.
      }
    }
  }
}

TEST_P(EachLevel, SumsSquaresOfAnyLength) {
  at::manual_seed(6);
  for (const std::int64_t count : {0, 1, 15, 16, 17, 16384, 50001}) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      const at::Tensor numbers = at::randn({count}).to(type);
      const double wanted = numbers.to(at::kDouble).square().sum().item<double>();
      EXPECT_NEAR(sum_of_squares({&numbers, 1}), wanted, 1e-6 * wanted);  // Float32 over 128 sums.
    }
  }
}

TEST_P(EachLevel, ChangesCautiouslyOnlyWhereTheUpdatePullsToZero) {
  const at::Tensor start = at::tensor({2.0f, -2.0f, 2.0f, -2.0f});
  const at::Tensor change = at::tensor({1.0f, 1.0f, -1.0f, -1.0f});
  const ExactParameter plain{start.clone()}, cautious{start.clone()};
  change_steps(std::vector<ChangeUpdate>{{plain, change, {.length = 0.5, .decay = 0.25}}});
  change_steps(std::vector<ChangeUpdate>{
      {cautious, change, {.length = 0.5, .decay = 0.25, .is_cautious = true}}});
  EXPECT_TRUE(at::equal(plain.value, at::tensor({1.0f, -2.0f, 2.0f, -1.0f})));
  EXPECT_TRUE(at::equal(cautious.value, at::tensor({1.0f, -2.5f, 2.5f, -1.0f})));
}

TEST(Update, RefusesWhatDoesNotFit) {
  const ExactParameter lonely{at::zeros({4}, at::kBFloat16)};
  EXPECT_THROW(exact_values(lonely), Error);
  const ExactParameter parameter{at::zeros({4})};
  EXPECT_THROW(change_steps(std::vector<ChangeUpdate>{{parameter, at::zeros({5}), {}}}), Error);
  const AdamWUpdate misfit{parameter, at::zeros({4}), at::zeros({3}), at::zeros({4}), {}};
  EXPECT_THROW(adamw_steps({&misfit, 1}), Error);
}

}  // namespace
}  // namespace panal::tensor
