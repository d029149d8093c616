// Random numbers that can be continued, and that are what they claim to be.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

namespace panal {
namespace {

TEST(Rng, DrawsThePublishedSequence) {
  // xoshiro256** from the state 1, 2, 3, 4: the first outputs of the authors' C program.
  Rng rng(0);
  rng.set_state({1, 2, 3, 4});
  EXPECT_EQ(rng(), 11520u);
  EXPECT_EQ(rng(), 0u);
  EXPECT_EQ(rng(), 1509978240u);
  EXPECT_EQ(rng(), 1215971899390074240u);
}

TEST(Rng, ContinuesFromASavedState) {
  Rng rng(7);
  for (int i = 0; i < 5; ++i) rng.normal();
  Rng resumed(999);
  resumed.set_state(rng.state());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(resumed(), rng());
    EXPECT_EQ(resumed.normal(), rng.normal());
    EXPECT_EQ(resumed.below(10), rng.below(10));
  }
}

TEST(Rng, StaysBelowItsBoundAndReachesAll) {
  Rng rng(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts.at(rng.below(7));
  // 10,000 expected, standard deviation 93: five of them.
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 465);
  EXPECT_EQ(rng.below(1), 0u);
  EXPECT_LT(rng.below(~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(Rng, DrawsUniformAndNormalNumbers) {
  Rng rng(2);
  constexpr int kCount = 100'000;
  double uniform_sum = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double uniform = rng.uniform();
    ASSERT_GE(uniform, 0.0);
    ASSERT_LT(uniform, 1.0);
    uniform_sum += uniform;
    const double normal = rng.normal();
    ASSERT_TRUE(std::isfinite(normal));
    normal_sum += normal;
    normal_squares += normal * normal;
  }
  EXPECT_NEAR(uniform_sum / kCount, 0.5, 0.005);     // Standard error 0.0009.
  EXPECT_NEAR(normal_sum / kCount, 0.0, 0.016);      // Standard error 0.0032.
  EXPECT_NEAR(normal_squares / kCount, 1.0, 0.023);  // Standard error 0.0045.
}

TEST(DeriveSeed, GivesEveryStreamItsOwn) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    for (std::uint64_t stream = 0; stream < 30; ++stream) seeds.insert(derive_seed(seed, stream));
  }
  EXPECT_EQ(seeds.size(), 900u);
  EXPECT_EQ(derive_seed(3, 4), derive_seed(3, 4));
}

}  // namespace
}  // namespace panal
