#include "machine/product_probe.h"

#include <gtest/gtest.h>

#include "tests/stepping_clock.h"

namespace panal::machine {
namespace {

using test::SteppingClock;

// 64 rows by 240 columns over 1,024 steps of float32, in a millisecond each.
TEST(ProductProbe, CountsTheMultiplicationsOfEachThread) {
  const SteppingClock clock(std::chrono::milliseconds(1));
  const auto one = probe_product_flops(tensor::Precision::kFloat32, 1, clock);
  ASSERT_TRUE(one);
  EXPECT_DOUBLE_EQ(*one, 2.0 * 64 * 240 * 1024 / 1e-3);
  EXPECT_GT(probe_product_flops(tensor::Precision::kBFloat16, 1, clock).value_or(0), *one);
}

TEST(ProductProbe, MeasuresNothingByAClockThatStandsStill) {
  EXPECT_FALSE(probe_product_flops(tensor::Precision::kFloat32, 2, ManualClock()));
}

}  // namespace
}  // namespace panal::machine
