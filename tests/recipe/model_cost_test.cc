#include "recipe/model_cost.h"

#include <gtest/gtest.h>

#include "tests/recipe/toy_model.h"

namespace panal::recipe {
namespace {

// N = 2 layers (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32 of the head, by hand.
TEST(ModelCost, CountsMatrixParametersWithTheHead) {
  const ModelConfig model = toy_model(320, 32);
  const ModelCost cost = model_cost(model, 16);
  EXPECT_EQ(cost.matrix_parameters, 2 * (4 * 32 * 32 + 3 * 32 * 64) + 320 * 32);
  const double attention = 12.0 * 2 * 32 * 16;
  EXPECT_DOUBLE_EQ(cost.flops_per_token(),
                   6.0 * static_cast<double>(cost.matrix_parameters) + attention);
  EXPECT_DOUBLE_EQ(cost.flops_per_token(), model.training_flops_per_token(16));
  const auto again = model_cost_from_json(model_cost_to_json(cost), "here");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->matrix_parameters, cost.matrix_parameters);
}

}  // namespace
}  // namespace panal::recipe
