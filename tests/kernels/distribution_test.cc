// Each copy of the kernels against the plain definition, at widths around blocks and vectors.
#include "kernels/cpu/distribution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "kernels/cpu/dispatch.h"

namespace panal::kernels::cpu {
namespace {

constexpr std::uint64_t kSeed = 3;

class Distribution : public ::testing::TestWithParam<Level> {
 protected:
  void SetUp() override { set_level_for_test(GetParam()); }
  void TearDown() override { set_level_for_test(Level::kAvx512BFloat16); }
};

std::vector<float> random_logits(std::int64_t width) {
  Rng rng(kSeed);
  std::vector<float> logits(static_cast<std::size_t>(width));
  for (float& logit : logits) logit = static_cast<float>(20 * rng.normal());
  return logits;
}

constexpr std::int64_t kWidths[] = {1, 15, 16, 17, 63, 64, 65, 200, 1000};

TEST_P(Distribution, MaximaAreThoseOfEachBlock) {
  for (const std::int64_t width : kWidths) {
    const std::vector<float> logits = random_logits(width);
    std::vector<float> maxima(static_cast<std::size_t>(num_distribution_blocks(width)));
    block_maxima(logits.data(), width, maxima.data());
    for (std::size_t block = 0; block < maxima.size(); ++block) {
      const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(block) * kDistributionBlock;
      const auto end =
          logits.end() - begin < kDistributionBlock ? logits.end() : begin + kDistributionBlock;
      EXPECT_EQ(maxima[block], *std::max_element(begin, end)) << width;
    }
  }
}

TEST_P(Distribution, NotANumberIsSeenWhereverItStands) {
  for (std::size_t place = 0; place < 150; ++place) {
    std::vector<float> logits = random_logits(150);
    logits[place] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> maxima(3);
    block_maxima(logits.data(), 150, maxima.data());
    for (std::size_t block = 0; block < 3; ++block)
      EXPECT_EQ(std::isnan(maxima[block]), block == place / 64) << place;
  }
}

TEST_P(Distribution, WeightsAreExponentialsAndSumsTheirSums) {
  for (const std::int64_t width : kWidths) {
    std::vector<float> logits = random_logits(width);
    logits.back() = -INFINITY;
    const float shift = *std::ranges::max_element(logits), scale = 0.7f;
    std::vector<float> weights(logits.size());
    softmax_weights(logits.data(), width, shift, scale, weights.data());
    std::vector<double> wanted(static_cast<std::size_t>(num_distribution_blocks(width)));
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits.size() == 1) break;  // Minus infinity alone has no differences.
      const float exponent = (logits[i] - shift) * scale;
      const double exact = exponent < -87 ? 0 : std::exp(double{exponent});
      EXPECT_NEAR(weights[i], exact, 1e-5 * exact) << i << " of " << width;
      wanted[i / 64] += exact;
    }
    if (logits.size() == 1) continue;
    std::vector<float> sums(wanted.size());
    block_weights(logits.data(), width, shift, scale, sums.data());
    for (std::size_t block = 0; block < sums.size(); ++block)
      EXPECT_NEAR(sums[block], wanted[block], 1e-5 * wanted[block]) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, Distribution,
                         ::testing::Values(Level::kBaseline, Level::kAvx2, Level::kAvx512));

}  // namespace
}  // namespace panal::kernels::cpu
