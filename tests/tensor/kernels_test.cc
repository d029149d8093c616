// Each kernel equals a plain double loop, at every instruction set this machine has.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/low_rank.h"
#include "kernels/cpu/matvec.h"

namespace panal::kernels::cpu {
namespace {

std::vector<float> random_floats(std::uint64_t seed, std::int64_t count, double spread = 1.0) {
  Rng rng(seed);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(rng.normal() * spread));
  return values;
}

class Kernels : public testing::TestWithParam<Level> {
 protected:
  void SetUp() override { set_level_for_test(GetParam()); }
  void TearDown() override { set_level_for_test(Level::kAvx512BFloat16); }
};

INSTANTIATE_TEST_SUITE_P(Levels, Kernels,
                         testing::Values(Level::kBaseline, Level::kAvx2, Level::kAvx512));

// Widths with and without a rest after the vectors.
TEST_P(Kernels, MatvecOfFloatsEqualsADoubleLoop) {
  for (const std::int64_t width : {1, 31, 64, 77}) {
    const std::int64_t rows = 7, outputs = 5;
    const auto x = random_floats(1, rows * width), weight = random_floats(2, outputs * width);
    std::vector<float> y(static_cast<std::size_t>(rows * outputs));
    matvec_float(weight.data(), x.data(), rows, width, 0, outputs, y.data(), outputs);
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < outputs; ++n) {
        double wanted = 0;
        for (std::int64_t k = 0; k < width; ++k) {
          wanted += double{x[static_cast<std::size_t>(m * width + k)]} *
                    weight[static_cast<std::size_t>(n * width + k)];
        }
        EXPECT_NEAR(y[static_cast<std::size_t>(m * outputs + n)], wanted, 1e-5 * 10);
      }
    }
  }
}

// Rows, ranks and widths with and without a rest after the tiles.
TEST_P(Kernels, ThinProductsEqualDoubleLoops) {
  for (const std::int64_t rank : {1, 4, 7, 8}) {
    for (const std::int64_t width : {5, 16, 75}) {
      const std::int64_t rows = 6;
      const auto x = random_floats(1, rows * width), w = random_floats(2, rank * width),
                 low = random_floats(3, rows * rank);
      std::vector<float> projected(low.size()), expanded = x, gathered = w;
      low_rank_project(x.data(), w.data(), rows, width, rank, 0.5f, projected.data());
      low_rank_expand(low.data(), w.data(), rows, width, rank, expanded.data());
      low_rank_gather(low.data(), x.data(), rows, width, rank, gathered.data());
      const auto at = [](const std::vector<float>& values, std::int64_t index) {
        return double{values[static_cast<std::size_t>(index)]};
      };
      for (std::int64_t i = 0; i < rows * rank; ++i) {
        double wanted = 0;
        for (std::int64_t k = 0; k < width; ++k)
          wanted += at(x, i / rank * width + k) * at(w, i % rank * width + k) * 0.5;
        EXPECT_NEAR(at(projected, i), wanted, 1e-5 * 10);
      }
      for (std::int64_t i = 0; i < rows * width; ++i) {
        double wanted = at(x, i);
        for (std::int64_t r = 0; r < rank; ++r)
          wanted += at(low, i / width * rank + r) * at(w, r * width + i % width);
        EXPECT_NEAR(at(expanded, i), wanted, 1e-5 * 10);
      }
      for (std::int64_t i = 0; i < rank * width; ++i) {
        double wanted = at(w, i);
        for (std::int64_t row = 0; row < rows; ++row)
          wanted += at(low, row * rank + i / width) * at(x, row * width + i % width);
        EXPECT_NEAR(at(gathered, i), wanted, 1e-5 * 10);
      }
    }
  }
}

TEST_P(Kernels, CrossEntropyOfBfloat16EqualsThatOfItsFloats) {
  const std::int64_t rows = 3, width = 1100;
  const at::Tensor rounded = (at::randn({rows, width}) * 4).to(at::kBFloat16);
  at::Tensor floats = rounded.to(at::kFloat), bits = rounded.clone();
  const std::vector<std::int64_t> targets = {7, -100, 1099};
  std::vector<float> wanted(rows), found(rows);
  cross_entropy(floats.data_ptr<float>(), targets.data(), rows, width, 0.5f, wanted.data());
  cross_entropy(reinterpret_cast<std::uint16_t*>(bits.data_ptr<at::BFloat16>()), targets.data(),
                rows, width, 0.5f, found.data());
  for (std::size_t row = 0; row < 3; ++row) EXPECT_NEAR(found[row], wanted[row], 1e-6);
  // Each gradient is the float's, rounded once.
  EXPECT_TRUE(at::equal(bits, floats.to(at::kBFloat16)));
  // With room for the exponentials nothing changes.
  at::Tensor again = rounded.clone();
  std::vector<float> scratch(width);
  cross_entropy(reinterpret_cast<std::uint16_t*>(again.data_ptr<at::BFloat16>()), targets.data(),
                rows, width, 0.5f, found.data(), 0, scratch.data());
  for (std::size_t row = 0; row < 3; ++row) EXPECT_NEAR(found[row], wanted[row], 1e-6);
  EXPECT_TRUE(at::equal(again, bits));
}

TEST_P(Kernels, RmsNormAndItsGradientEqualFiniteDifferences) {
  const std::int64_t rows = 3, width = 37;
  auto x = random_floats(3, rows * width);
  const auto weight = random_floats(4, width), dy = random_floats(5, rows * width);
  std::vector<float> y(x.size()), inverse(rows), dx(x.size()), weight_gradient(width, 0.0f);
  rms_norm(x.data(), weight.data(), 1e-5f, rows, width, y.data(), inverse.data());
  rms_norm_backward(dy.data(), x.data(), weight.data(), inverse.data(), rows, width, dx.data(),
                    weight_gradient.data());
  const auto loss = [&](const std::vector<float>& at, const std::vector<float>& scale) {
    double total = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      double squares = 0;
      for (std::int64_t i = 0; i < width; ++i)
        squares += std::pow(at[static_cast<std::size_t>(r * width + i)], 2);
      const double rms = std::sqrt(squares / width + 1e-5);
      for (std::int64_t i = 0; i < width; ++i) {
        const auto place = static_cast<std::size_t>(r * width + i);
        total += dy[place] * at[place] / rms * scale[static_cast<std::size_t>(i)];
      }
    }
    return total;
  };
  for (const std::size_t i : {0, 36, 50, 110}) {
    auto up = x, down = x;
    up[i] += 1e-2f;
    down[i] -= 1e-2f;
    EXPECT_NEAR(dx[i], (loss(up, weight) - loss(down, weight)) / 2e-2, 2e-3);
  }
  auto up = weight, down = weight;
  up[20] += 1e-2f;
  down[20] -= 1e-2f;
  EXPECT_NEAR(weight_gradient[20], (loss(x, up) - loss(x, down)) / 2e-2, 2e-3);
}

TEST_P(Kernels, RotationTurnsPairsAndTurnsBack) {
  const std::int64_t heads = 2, width = 42, half = 21, rows = 2;
  const auto x = random_floats(6, rows * heads * width);
  std::vector<float> cosine, sine;
  for (int position = 0; position < 4; ++position) {
    for (int i = 0; i < half; ++i) {
      cosine.push_back(std::cos(0.3f * static_cast<float>(position * (i + 1))));
      sine.push_back(std::sin(0.3f * static_cast<float>(position * (i + 1))));
    }
  }
  const std::int64_t positions[] = {3, 1};
  auto y = x;
  rotate(y.data(), heads * width, y.data(), heads * width, positions, rows, heads, width,
         cosine.data(), sine.data(), 1.0f);
  const double angle = 0.3 * 3 * 5;  // Row 0, pair 4.
  EXPECT_NEAR(y[4], x[4] * std::cos(angle) - x[25] * std::sin(angle), 1e-5);
  EXPECT_NEAR(y[25], x[25] * std::cos(angle) + x[4] * std::sin(angle), 1e-5);
  rotate(y.data(), heads * width, y.data(), heads * width, positions, rows, heads, width,
         cosine.data(), sine.data(), -1.0f);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], 1e-5);
}

// Also where exp overflows float32: silu must go to 0 or x, not to NaN.
TEST_P(Kernels, SwigluEqualsItsFormulaFarOutToo) {
  std::vector<float> gate = {-200, -90, -87.5, -20, -1, -1e-3f, 0, 1e-3f, 1, 20, 87.5, 90, 200};
  for (const float value : random_floats(7, 40, 3.0)) gate.push_back(value);
  const auto count = static_cast<std::int64_t>(gate.size());
  const auto up = random_floats(8, count), dy = random_floats(9, count);
  std::vector<float> y(gate.size()), gate_gradient(gate.size()), up_gradient(gate.size());
  swiglu(gate.data(), up.data(), count, y.data());
  swiglu_backward(dy.data(), gate.data(), up.data(), count, gate_gradient.data(),
                  up_gradient.data());
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double sigmoid = 1 / (1 + std::exp(-double{gate[i]}));
    const double scale = 1e-6 * (1 + std::abs(gate[i] * up[i])) + 1e-6;
    EXPECT_NEAR(y[i], gate[i] * sigmoid * up[i], scale) << gate[i];
    EXPECT_NEAR(up_gradient[i], dy[i] * gate[i] * sigmoid, 4 * scale + 4e-6 * std::abs(gate[i]))
        << gate[i];
    EXPECT_NEAR(gate_gradient[i], dy[i] * up[i] * (sigmoid + gate[i] * sigmoid * (1 - sigmoid)),
                1e-5)
        << gate[i];
  }
}

TEST_P(Kernels, CrossEntropyEqualsLogSumExpAndItsGradientSumsToZero) {
  const std::int64_t width = 131;
  auto logits = random_floats(10, 3 * width, 8.0);
  const auto original = logits;
  const std::int64_t targets[] = {130, -100, 0};
  float losses[3];
  cross_entropy(logits.data(), targets, 3, width, 0.5f, losses);
  EXPECT_EQ(losses[1], 0.0f);
  for (const int row : {0, 2}) {
    double total = 0;
    for (int i = 0; i < width; ++i)
      total += std::exp(double{original[static_cast<std::size_t>(row * width + i)]});
    const auto place = static_cast<std::size_t>(row * width + targets[row]);
    EXPECT_NEAR(losses[row], std::log(total) - original[place], 1e-5 * losses[row] + 1e-5);
    double sum = 0;
    for (int i = 0; i < width; ++i) sum += logits[static_cast<std::size_t>(row * width + i)];
    EXPECT_NEAR(sum, 0, 1e-6);
    EXPECT_NEAR(logits[place], 0.5 * (std::exp(original[place]) / total - 1), 1e-6);
  }
  for (int i = 0; i < width; ++i) EXPECT_EQ(logits[static_cast<std::size_t>(width + i)], 0.0f);
}

// Against double: a cap of 3 bends these logits strongly, one of 1000 hardly.
TEST_P(Kernels, CappedCrossEntropyAndItsGradientEqualDoubles) {
  const std::int64_t width = 131;
  for (const float cap : {3.0f, 30.0f, 1000.0f}) {
    auto logits = random_floats(10, width, 8.0);
    const auto original = logits;
    const std::int64_t target = 77;
    float loss = 0;
    cross_entropy(logits.data(), &target, 1, width, 0.5f, &loss, cap);
    const auto seen = [&](std::int64_t i) {
      return cap * std::tanh(original[static_cast<std::size_t>(i)] / double{cap});
    };
    double total = 0;
    for (std::int64_t i = 0; i < width; ++i) total += std::exp(seen(i));
    EXPECT_NEAR(loss, std::log(total) - seen(target), 1e-5 * loss + 1e-5) << cap;
    for (std::int64_t i = 0; i < width; ++i) {
      const double slope = 1 - std::pow(seen(i) / cap, 2);
      const double wanted = 0.5 * (std::exp(seen(i)) / total - (i == target ? 1 : 0)) * slope;
      EXPECT_NEAR(logits[static_cast<std::size_t>(i)], wanted, 1e-6) << cap << " " << i;
    }
  }
}

TEST_P(Kernels, ReluSquaredAndItsGradientEqualDoublesAndKeepNan) {
  const std::int64_t count = 53;
  auto x = random_floats(21, count, 3.0);
  const auto dy = random_floats(22, count);
  x[4] = x[50] = std::nanf("");
  x[5] = 0.0f;
  std::vector<float> y(x.size()), dx(x.size());
  relu_squared(x.data(), count, y.data());
  relu_squared_backward(dy.data(), x.data(), count, dx.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(y[i]) && std::isnan(dx[i])) << i;
      continue;
    }
    const double kept = std::max(0.0, double{x[i]});
    EXPECT_NEAR(y[i], kept * kept, 1e-6 * (1 + kept * kept));
    EXPECT_NEAR(dx[i], 2 * kept * dy[i], 1e-6 * (1 + kept));
  }
}

TEST_P(Kernels, AttentionOfOneTokenEqualsSoftmaxOfScores) {
  const std::int64_t group = 3, length = 21, width = 20;
  const auto q = random_floats(11, group * width), k = random_floats(12, length * width),
             v = random_floats(13, length * width);
  std::vector<float> scores(static_cast<std::size_t>(group * length)), out(q.size());
  attend_one(q.data(), k.data(), v.data(), group, length, width, 0.25f, scores.data(), out.data());
  for (std::int64_t g = 0; g < group; ++g) {
    std::vector<double> share;
    double total = 0;
    for (std::int64_t t = 0; t < length; ++t) {
      double score = 0;
      for (std::int64_t i = 0; i < width; ++i) {
        score += double{q[static_cast<std::size_t>(g * width + i)]} *
                 k[static_cast<std::size_t>(t * width + i)];
      }
      share.push_back(std::exp(0.25 * score));
      total += share.back();
    }
    for (std::int64_t i = 0; i < width; ++i) {
      double wanted = 0;
      for (std::int64_t t = 0; t < length; ++t) {
        wanted +=
            share[static_cast<std::size_t>(t)] / total * v[static_cast<std::size_t>(t * width + i)];
      }
      EXPECT_NEAR(out[static_cast<std::size_t>(g * width + i)], wanted, 1e-5);
    }
  }
}

}  // namespace
}  // namespace panal::kernels::cpu
