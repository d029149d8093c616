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

// A tied head's gradient is dense and comes first; the embedding's rows are added to it.
TEST(Embedding, AddsItsRowsToTheDenseGradientOfASharedTable) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor indices = at::arange(60, at::kLong).view({3, 20}) % 7;
    const at::Tensor shared = leaf(at::randn({9, 40}).to(type));
    const at::Tensor exact = leaf(shared.detach().to(at::kFloat));
    const at::Tensor upstream = at::randn({3, 20, 40});
    const auto loss = [&](const at::Tensor& table, const at::Tensor& chosen) {
      return (chosen * upstream).sum() + (table.to(at::kFloat) * 0.5).sum();
    };
    for (int pass = 1; pass <= 2; ++pass) {  // The second one adds to what the first one left.
      loss(shared, tensor::embedding_of_shared(shared, indices)).backward();
      loss(exact, at::embedding(exact, indices)).backward();
      EXPECT_EQ(shared.grad().layout(), at::kStrided);
      // As above, and bfloat16 rounds each sum of the two gradients once more.
      const double tolerance = type == at::kFloat ? 1e-5 : 0.01;
      EXPECT_TRUE(at::allclose(shared.grad().to(at::kFloat), exact.grad(), tolerance, tolerance));
    }
  }
}

TEST(Embedding, RefusesAnIndexOutsideTheTable) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    EXPECT_ANY_THROW(tensor::embedding(at::zeros({3, 5}, type), at::full({2}, 3, at::kLong)));
  }
}

}  // namespace
}  // namespace panal::tensor
