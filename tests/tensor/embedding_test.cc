// Lookups against torch's own, in both types of tables, and sums that bfloat16 alone would lose.
#include "tensor/embedding.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace panal::tensor {
namespace {

at::Tensor leaf(const at::Tensor& value) { return value.clone().set_requires_grad(true); }

TEST(Embedding, EqualsTorchUpToTheRoundingOfItsGradient) {
  const at::Tensor indices = at::arange(60, at::kLong).view({3, 20}) % 7;
  const at::Tensor rounded = leaf(at::randn({9, 40}).to(at::kBFloat16));
  const at::Tensor exact = leaf(rounded.detach().to(at::kFloat));
  const at::Tensor upstream = at::randn({3, 20, 40});
  const at::Tensor found = tensor::embedding(rounded, indices),
                   wanted = tensor::embedding(exact, indices);
  EXPECT_EQ(found.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(found, wanted));
  found.backward(upstream);
  wanted.backward(upstream);
  ASSERT_EQ(rounded.grad().scalar_type(), at::kBFloat16);
  // Half a unit in the last of bfloat16's eight bits, and float32's own sums in another order.
  EXPECT_TRUE(at::allclose(rounded.grad().to(at::kFloat), exact.grad(), 0.004, 1e-5));
  EXPECT_EQ(rounded.grad().slice(0, 7).abs().max().item<float>(), 0) << "rows nobody chose";
}

// In bfloat16 alone a sum of ones stops at 256.
TEST(Embedding, SumsACommonIndexInFloat32) {
  const at::Tensor table = leaf(at::zeros({3, 5}, at::kBFloat16));
  tensor::embedding(table, at::ones({4096}, at::kLong)).sum().backward();
  EXPECT_TRUE(at::equal(table.grad()[1], at::full({5}, 4096, at::kBFloat16)));
}

TEST(Embedding, RefusesAnIndexOutsideTheTable) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    EXPECT_ANY_THROW(tensor::embedding(at::zeros({3, 5}, type), at::full({2}, 3, at::kLong)));
  }
}

}  // namespace
}  // namespace panal::tensor
