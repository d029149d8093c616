// Blockwise attention and its gradients equal plain softmax in double, for every instruction set,
// type, grouping and packing.
#include "tensor/attention.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/cpu/dispatch.h"
#include "tensor/runtime.h"

namespace panal::tensor {
namespace {

struct Case {
  std::int64_t batch, length, heads, key_value_heads, width;
};

at::Tensor hidden_keys(std::int64_t batch, std::int64_t length, const at::Tensor& first_keys) {
  at::Tensor hidden = at::ones({length, length}, at::kBool).triu(1).expand({batch, length, length});
  if (!first_keys.defined()) return hidden.unsqueeze(1);
  const at::Tensor keys = at::arange(length, at::kInt).view({1, 1, length});
  return at::logical_or(hidden, keys < first_keys.unsqueeze(2)).unsqueeze(1);
}

// The plain way, in double: [B, T, heads * width], and log of the softmax's sum [B, heads, T].
Attended plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const at::Tensor& first_keys) {
  const std::int64_t B = q.size(0), T = q.size(1), group = q.size(2) / k.size(2);
  const auto spread = [&](const at::Tensor& x) {
    return x.repeat_interleave(group, 2).transpose(1, 2);
  };
  at::Tensor scores = at::matmul(q.transpose(1, 2), spread(k).transpose(2, 3)) /
                      std::sqrt(static_cast<double>(q.size(3)));
  scores =
      scores.masked_fill(hidden_keys(B, T, first_keys), -std::numeric_limits<double>::infinity());
  const at::Tensor values = at::matmul(scores.softmax(-1), spread(v)).transpose(1, 2);
  return {.values = values.reshape({B, T, -1}), .log_sum_exp = scores.logsumexp(-1)};
}

double worst(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

// Documents of random lengths: the first key of each token's document.
at::Tensor random_first_keys(std::int64_t batch, std::int64_t length) {
  at::Tensor first = at::zeros({batch, length}, at::kInt);
  const at::Tensor starts = at::rand({batch, length}) < 0.05;
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int32_t current = 0;
    for (std::int64_t t = 0; t < length; ++t) {
      if (starts[b][t].item<bool>()) current = static_cast<std::int32_t>(t);
      first[b][t] = current;
    }
  }
  return first;
}

class Attention : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { seed_everything(5); }
  void TearDown() override {
    kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  }
};

void expect_equal(const Case& shape, at::ScalarType type, const at::Tensor& first_keys,
                  double tolerance) {
  const auto leaf = [&](std::int64_t heads) {
    return at::randn({shape.batch, shape.length, heads, shape.width})
        .to(type)
        .set_requires_grad(true);
  };
  const std::vector<at::Tensor> ours = {leaf(shape.heads), leaf(shape.key_value_heads),
                                        leaf(shape.key_value_heads)};
  std::vector<at::Tensor> exact;
  for (const at::Tensor& x : ours)
    exact.push_back(x.detach().to(at::kDouble).set_requires_grad(true));
  const Attended found = causal_attention(ours[0], ours[1], ours[2], first_keys);
  const Attended wanted = plain_attention(exact[0], exact[1], exact[2], first_keys);
  EXPECT_LT(worst(found.values, wanted.values), tolerance);
  EXPECT_LT(worst(found.log_sum_exp, wanted.log_sum_exp), tolerance);
  const at::Tensor direction = at::randn(found.values.sizes()).to(type);
  (found.values * direction).sum().backward();
  (wanted.values * direction.to(at::kDouble)).sum().backward();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double size = exact[i].grad().abs().max().item<double>();
    EXPECT_LT(worst(ours[i].grad(), exact[i].grad()), tolerance * std::max(1.0, size)) << i;
  }
}

TEST_P(Attention, EqualsPlainSoftmaxInFloat32OnEveryInstructionSet) {
  for (const auto level :
       {kernels::cpu::Level::kBaseline, kernels::cpu::Level::kAvx2, kernels::cpu::Level::kAvx512}) {
    kernels::cpu::set_level_for_test(level);
    expect_equal(GetParam(), at::kFloat, {}, 2e-5);
  }
}

TEST_P(Attention, EqualsPlainSoftmaxInBFloat16WithAndWithoutTheInstruction) {
  for (const auto level : {kernels::cpu::Level::kBaseline, kernels::cpu::Level::kAvx2,
                           kernels::cpu::Level::kAvx512, kernels::cpu::Level::kAvx512BFloat16}) {
    kernels::cpu::set_level_for_test(level);
    // 8 bits of mantissa in shares, scores' gradients and results.
    expect_equal(GetParam(), at::kBFloat16, {}, 3e-2);
  }
}

TEST_P(Attention, KeepsPackedDocumentsApart) {
  const at::Tensor first_keys = random_first_keys(GetParam().batch, GetParam().length);
  expect_equal(GetParam(), at::kFloat, first_keys, 2e-5);
  expect_equal(GetParam(), at::kBFloat16, first_keys, 3e-2);
}

TEST_P(Attention, PackedEqualsApart) {
  const Case shape = GetParam();
  const std::int64_t width = shape.heads * shape.width;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor qkv =
        at::randn({shape.batch, shape.length, 3 * width}).to(type).set_requires_grad(true);
    const at::Tensor copy = qkv.detach().clone().set_requires_grad(true);
    const auto parts = copy.split(width, -1);
    const auto heads = [&](std::size_t i) {
      return parts[i].reshape({shape.batch, shape.length, shape.heads, shape.width});
    };
    const at::Tensor packed = causal_attention(qkv, shape.heads, {}).values;
    const at::Tensor apart = causal_attention(heads(0), heads(1), heads(2), {}).values;
    EXPECT_TRUE(at::equal(packed, apart));
    const at::Tensor direction = at::randn_like(packed);
    packed.backward(direction);
    apart.backward(direction);
    EXPECT_TRUE(at::equal(qkv.grad(), copy.grad()));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Case{2, 1, 1, 1, 8}, Case{1, 64, 2, 2, 64},
                                         Case{2, 65, 4, 2, 16}, Case{1, 200, 6, 1, 24},
                                         Case{1, 130, 2, 2, 80}, Case{3, 33, 3, 3, 5}));

TEST(AttentionErrors, NamesWhatDoesNotFit) {
  const at::Tensor q = at::randn({1, 4, 3, 8}), k = at::randn({1, 4, 2, 8});
  EXPECT_THROW(causal_attention(q, k, k, {}), Error);
  EXPECT_THROW(causal_attention(q, q, q.to(at::kBFloat16), {}), Error);
  const at::Tensor late = at::full({1, 4}, 1, at::kInt);
  try {
    causal_attention(q, q, q, late);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "attention: wanted a first key of 0 to 0 for token 0, found 1");
  }
}

// A score far above float32's exponent range must not overflow.
TEST(AttentionErrors, SurvivesHugeScores) {
  const at::Tensor q = at::full({1, 70, 1, 16}, 100.0), v = at::randn({1, 70, 1, 16});
  const at::Tensor found = causal_attention(q, q, v, {}).values;
  const at::Tensor mean =
      v.cumsum(1).div(at::arange(1, 71).view({1, 70, 1, 1})).reshape({1, 70, 16});
  EXPECT_LT(worst(found, mean), 1e-5);
}

}  // namespace
}  // namespace panal::tensor
