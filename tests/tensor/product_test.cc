// Products by our own kernels and by torch's libraries equal products in double.
#include "tensor/product.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/product.h"
#include "tensor/library_product.h"
#include "tensor/linear.h"
#include "tensor/runtime.h"

namespace panal::tensor {
namespace {

using kernels::cpu::Level;

// [rows, columns] of normal numbers; where is_transposed, as the transpose of a contiguous matrix.
at::Tensor random_matrix(std::uint64_t seed, std::int64_t rows, std::int64_t columns,
                         bool is_transposed, at::ScalarType type) {
  seed_everything(seed);
  const at::Tensor made =
      is_transposed ? at::randn({columns, rows}).t() : at::randn({rows, columns});
  return made.to(type);
}

at::Tensor in_double(const at::Tensor& a, const at::Tensor& b) {
  return at::mm(a.to(at::kDouble), b.to(at::kDouble));
}

// The largest difference in units of the root of the number of steps, which sums grow with.
double difference(const at::Tensor& found, const at::Tensor& wanted, std::int64_t steps) {
  return (found.to(at::kDouble) - wanted).abs().max().item<double>() /
         std::sqrt(static_cast<double>(steps));
}

class Products : public testing::TestWithParam<Level> {
 protected:
  void SetUp() override { kernels::cpu::set_level_for_test(GetParam()); }
  void TearDown() override { kernels::cpu::set_level_for_test(Level::kAvx512BFloat16); }
};
INSTANTIATE_TEST_SUITE_P(Levels, Products,
                         testing::Values(Level::kBaseline, Level::kAvx2, Level::kAvx512,
                                         Level::kAvx512BFloat16));

template <typename Element>
kernels::cpu::ProductFactor<Element> factor_of(const at::Tensor& matrix) {
  const bool is_transposed = matrix.stride(1) != 1;
  return {.data = static_cast<const Element*>(matrix.const_data_ptr()),
          .stride = is_transposed ? matrix.stride(1) : matrix.stride(0),
          .is_transposed = is_transposed};
}

// What the kernels make of one group of rows: a b + before + bias.
template <typename Element>
at::Tensor by_kernels(const at::Tensor& a, const at::Tensor& b, const at::Tensor& before,
                      const at::Tensor& bias) {
  const std::int64_t columns = b.size(1), steps = b.size(0);
  const auto right = factor_of<Element>(b.t());
  std::vector<Element> packed(
      static_cast<std::size_t>(kernels::cpu::packed_elements(columns, steps)));
  std::vector<Element> transposed(
      static_cast<std::size_t>(kernels::cpu::transposed_elements(steps)));
  for (std::int64_t part = 0; part < 3; ++part)
    kernels::cpu::pack_share(right, columns, steps, {.part = part, .parts = 3}, packed.data());
  const std::int64_t panels =
      (columns + kernels::cpu::kProductPanel - 1) / kernels::cpu::kProductPanel;
  at::Tensor sums = at::full({a.size(0), columns}, -7.0f);
  kernels::cpu::multiply_group(
      kernels::cpu::ProductGroup<Element>{.left = factor_of<Element>(a),
                                          .rows = a.size(0),
                                          .columns = columns,
                                          .steps = steps,
                                          .packed = packed.data(),
                                          .first_panel = 0,
                                          .last_panel = panels,
                                          .target = {.floats = sums.data_ptr<float>(),
                                                     .stride = columns,
                                                     .before = before.const_data_ptr<float>(),
                                                     .before_stride = columns,
                                                     .bias = bias.const_data_ptr<float>()},
                                          .transposed = transposed.data()});
  return sums;
}

// Every layout, with and without a rest of rows, columns, vectors and lanes, at every level.
TEST_P(Products, OfAGroupOfRowsEqualOnesInDouble) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& [rows, columns, steps] : std::vector<std::array<std::int64_t, 3>>{
             {64, 96, 64}, {13, 101, 78}, {1, 1, 2}, {8, 40, 34}}) {
      for (const int transposes : {0, 1, 2, 3}) {
        const at::Tensor a = random_matrix(1, rows, steps, (transposes & 1) != 0, type);
        const at::Tensor b = random_matrix(2, steps, columns, (transposes & 2) != 0, type);
        const at::Tensor before = random_matrix(3, rows, columns, false, at::kFloat);
        const at::Tensor bias = at::randn({columns});
        const at::Tensor found = type == at::kFloat ? by_kernels<float>(a, b, before, bias)
                                                    : by_kernels<std::uint16_t>(a, b, before, bias);
        // Half a unit of float32's 24 bits per step, of sums up to about 5 root(steps).
        EXPECT_LT(difference(found, in_double(a, b) + before + bias, steps), 3e-6)
            << rows << " " << columns << " " << steps << " transposes " << transposes;
      }
    }
  }
}

// Several pieces of columns and of steps; each kind of result.
TEST_P(Products, EqualOnesInDouble) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& [rows, columns, steps] :
         std::vector<std::array<std::int64_t, 3>>{{130, 101, 4500}, {65, 5000, 386}, {64, 7, 3}}) {
      for (const int transposes : {0, 1, 2, 3}) {
        const at::Tensor a = random_matrix(1, rows, steps, (transposes & 1) != 0, type);
        const at::Tensor b = random_matrix(2, steps, columns, (transposes & 2) != 0, type);
        const at::Tensor wanted = in_double(a, b);
        // bfloat16 results keep 8 bits of sums up to about 5 root(steps), and so do the libraries'
        // on their way to float32.
        const double tolerance = type == at::kFloat ? 1e-5 : 0.02;
        EXPECT_LT(difference(product(a, b, type), wanted, steps), tolerance);
        EXPECT_LT(difference(product(a, b, at::kFloat), wanted, steps), tolerance);
        const at::Tensor sum = at::full({rows, columns}, 5.0f);
        product_into(sum, a, b, false);
        EXPECT_LT(difference(sum, wanted, steps), tolerance);
        product_into(sum, a, b, true);
        EXPECT_LT(difference(sum, 2 * wanted, steps), 2 * tolerance);
        const at::Tensor bias = at::randn({columns}).to(type);
        EXPECT_LT(difference(product_nt(a, b.t(), bias), wanted + bias.to(at::kDouble), steps),
                  tolerance);
      }
    }
  }
}

// Own products sum in one order; the libraries' are cut by their shape alone.
TEST(Products, DoNotDependOnTheNumberOfThreads) {
  const at::Tensor a = random_matrix(1, 200, 4500, true, at::kBFloat16);
  const at::Tensor b = random_matrix(2, 4500, 300, false, at::kBFloat16);
  const at::Tensor few = random_matrix(3, 5, 4500, false, at::kFloat);
  for (const auto level : {kernels::cpu::Level::kAvx512BFloat16, kernels::cpu::Level::kAvx512}) {
    kernels::cpu::set_level_for_test(level);
    std::vector<at::Tensor> first;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const at::Tensor sum = at::ones({200, 300}, at::kFloat);
      product_into(sum, a, b, true);
      const std::vector<at::Tensor> made{product(a, b, at::kBFloat16), sum,
                                         product(a.to(at::kFloat), b.to(at::kFloat), at::kFloat),
                                         product_nt(few, b.t().to(at::kFloat))};
      if (first.empty()) first = made;
      for (std::size_t i = 0; i < made.size(); ++i)
        EXPECT_TRUE(at::equal(made[i], first[i])) << i << " with " << threads << " threads";
    }
  }
  kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  set_num_threads(2);
}

// Shapes that the pieces do not divide, and vectors.
TEST(LibraryProducts, ArePutTogetherWhole) {
  for (const auto& shape : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 3000}, {3000, 1}, {700, 333}, {333, 700}, {2, 2}}) {
    const std::int64_t rows = shape.first, columns = shape.second;
    const at::Tensor a = random_matrix(1, rows, 500, false, at::kFloat);
    const at::Tensor b = random_matrix(2, 500, columns, true, at::kFloat);
    const at::Tensor bias = at::randn({columns}), sum = at::ones({rows, columns});
    const at::Tensor wanted = at::mm(a.to(at::kDouble), b.to(at::kDouble));
    const auto expect_near = [&](const at::Tensor& found, const at::Tensor& offset) {
      EXPECT_LT((found - wanted - offset).abs().max().item<double>(), 1e-3)
          << rows << " x " << columns;
    };
    library_product_into(sum, a, b, true);
    expect_near(sum, at::ones({1}));
    expect_near(library_product(a, b), at::zeros({1}));
    expect_near(library_product_nt(a, b.t(), bias), bias);
  }
}

TEST(OwnProducts, RefuseAResultOfAnotherType) {
  const at::Tensor a = at::ones({2, 2}, at::kBFloat16);
  EXPECT_THROW(product(a, a, at::kDouble), Error);
  EXPECT_THROW(product_into(at::ones({2, 2}, at::kBFloat16), a, a, false), Error);
  EXPECT_THROW(product_into(at::ones({2, 3}), a, a, false), Error);
}

}  // namespace
}  // namespace panal::tensor
