// Every CUDA operation of an optimizer step equals a plain double loop, and the order in which the
// threads of a block run changes no bit.
#include <gtest/gtest.h>

#include "kernels/cuda/all.h"
#include "kernels/cuda/cross_entropy_body.h"
#include "kernels/cuda/newton_schulz_body.h"
#include "kernels/cuda/norm_body.h"
#include "tests/kernels/kernel_twins.h"

namespace panal::kernels::cuda {
namespace {

// A table of tensors: one shorter than a run, one of several blocks.
class UpdateTwins : public Twins {
 protected:
  const std::vector<std::int64_t> counts_ = {5, 2 * kElementsPerBlock + 13, 64};
};
INSTANTIATE_TEST_SUITE_P(Backends, UpdateTwins,
                         testing::Values(Backend::kSimulated, Backend::kDevice), backend_name);

TEST_P(UpdateTwins, AdamWOverManyTensorsKeepsAnExactWeightInTwoHalves) {
  for (const bool is_split : {false, true}) {
    struct Case {
      std::vector<float> value, gradient, first, second;
    };
    std::vector<Case> cases;
    std::vector<std::unique_ptr<Array<float>>> floats;
    std::vector<std::unique_ptr<Array<Half>>> halves;
    std::vector<std::unique_ptr<Array<std::int16_t>>> remainders;
    std::vector<AdamWTensor> table;
    std::int64_t blocks = 0;
    const auto keep = [&](std::vector<float> values) {
      floats.push_back(std::make_unique<Array<float>>(GetParam(), std::move(values)));
      return floats.back()->pointer();
    };
    for (const std::int64_t count : counts_) {
      Case made{random(count), random(count), random(count), random(count)};
      for (float& value : made.second) value *= value;
      AdamWTensor tensor{.count = count,
                         .first_block = blocks,
                         .gradient_scale = 0.5f,
                         .keep = 0.97f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .epsilon = 1e-8f,
                         .step_size = 0.2f,
                         .second_factor = 3.0f};
      blocks += blocks_of(count);
      if (is_split) {
        std::vector<Half> rounded(made.value.size());
        std::vector<std::int16_t> remainder(made.value.size());
        for (std::size_t i = 0; i < rounded.size(); ++i)
          split(made.value[i], rounded[i], remainder[i]);
        halves.push_back(std::make_unique<Array<Half>>(GetParam(), rounded));
        tensor.parameter.rounded = halves.back()->pointer();
        remainders.push_back(std::make_unique<Array<std::int16_t>>(GetParam(), remainder));
        tensor.parameter.remainder = remainders.back()->pointer();
      } else {
        tensor.parameter.value = keep(made.value);
      }
      tensor.gradient.floats = keep(made.gradient);
      tensor.first_moment.floats = keep(made.first);
      tensor.second_moment = keep(made.second);
      table.push_back(tensor);
      cases.push_back(std::move(made));
    }
    auto tensors = array(table);
    run(AdamW{tensors.pointer(), static_cast<std::int64_t>(table.size()), blocks});
    for (std::size_t t = 0; t < cases.size(); ++t) {
      std::vector<double> wanted;
      for (std::size_t i = 0; i < cases[t].value.size(); ++i) {
        const double g = 0.5 * cases[t].gradient[i];
        const double first = 0.9 * cases[t].first[i] + 0.1 * g;
        const double second = 0.95 * cases[t].second[i] + 0.05 * g * g;
        wanted.push_back(cases[t].value[i] * 0.97 - 0.2 * first / (std::sqrt(second) * 3.0 + 1e-8));
      }
      if (is_split) {
        const auto rounded = halves[t]->read();
        const auto remainder = remainders[t]->read();
        std::vector<float> exact;
        for (std::size_t i = 0; i < rounded.size(); ++i)
          exact.push_back(join(rounded[i], remainder[i]));
        expect_near(exact, wanted, "split parameter");
        expect_near(rounded, wanted, "rounded parameter");
      } else {
        expect_near(floats[t * 4]->read(), wanted, "parameter");
      }
    }
  }
}

TEST_P(UpdateTwins, MomentumAndChangeInBfloat16) {
  for (const bool is_cautious : {false, true}) {
    const std::int64_t count = kElementsPerBlock + 9;
    const auto gradient_values = stored_as<Half>(random(count)),
               momentum_values = stored_as<Half>(random(count));
    const auto weight_values = random(count);
    auto gradient = array(gradient_values), momentum = array(momentum_values);
    auto weight = array(weight_values), direction = empty<float>(count);
    auto moves = array(std::vector<MomentumTensor>{{.gradient = {.halves = gradient.pointer()},
                                                    .momentum = {.halves = momentum.pointer()},
                                                    .direction = {.floats = direction.pointer()},
                                                    .count = count,
                                                    .share = 0.05f,
                                                    .look_ahead = 0.95f}});
    run(Momentum{moves.pointer(), 1, blocks_of(count)});
    auto changes = array(std::vector<ChangeTensor>{{.parameter = {.value = weight.pointer()},
                                                    .change = {.floats = direction.pointer()},
                                                    .count = count,
                                                    .keep = 0.95f,
                                                    .length = 0.2f,
                                                    .is_cautious = is_cautious}});
    run(Change{changes.pointer(), 1, blocks_of(count)});
    std::vector<double> means, ways, weights;
    for (std::size_t i = 0; i < weight_values.size(); ++i) {
      const double g = to_float(gradient_values[i]);
      means.push_back(0.95 * to_float(momentum_values[i]) + 0.05 * g);
      ways.push_back(0.05 * g + 0.95 * means.back());
      const bool is_spared = is_cautious && ways.back() * weight_values[i] < 0;
      weights.push_back(weight_values[i] * (is_spared ? 1.0 : 0.95) - 0.2 * ways.back());
    }
    expect_near(momentum.read(), means, "momentum");
    expect_near(direction.read(), ways, "direction");
    expect_near(weight.read(), weights, "weight");
  }
}

// Parameters of both forms, in one table; the second ends within a block.
TEST_P(UpdateTwins, PointsAheadMoveWithTheirParameters) {
  const std::int64_t count = kElementsPerBlock + 9;
  const auto n = static_cast<std::size_t>(count);
  const auto values = random(count), changes = random(count), befores = random(count);
  const auto displacements = stored_as<Half>(random(count)),
             averages = stored_as<Half>(random(count));
  std::vector<Half> rounded_values(n);
  std::vector<std::int16_t> remainder_values(n);
  for (std::size_t i = 0; i < n; ++i) split(values[i], rounded_values[i], remainder_values[i]);
  auto change = array(changes), before = array(befores);
  for (const bool transports : {true, false}) {
    auto value = array(values);
    auto rounded = array(rounded_values);
    auto remainder = array(remainder_values);
    auto one = array(transports ? displacements : averages), other = array(displacements);
    auto average = array(random(count));
    const auto average_values = average.read();
    const Parameter whole{.value = value.pointer()},
        halves{.rounded = rounded.pointer(), .remainder = remainder.pointer()};
    if (transports) {
      const auto row = [&](const Parameter& parameter, Half* displacement, std::int64_t first) {
        return TransportTensor{.change = {.parameter = parameter,
                                          .change = {.floats = change.pointer()},
                                          .keep = 0.9f,
                                          .length = 0.1f,
                                          .is_cautious = true},
                               .displacement = displacement,
                               .count = count,
                               .first_block = first,
                               .extrapolation_before = 0.5f,
                               .extrapolation_after = 0.25f};
      };
      auto table = array(std::vector<TransportTensor>{
          row(whole, one.pointer(), 0), row(halves, other.pointer(), blocks_of(count))});
      run(Transport{table.pointer(), 2, 2 * blocks_of(count)});
    } else {
      const auto row = [&](const Parameter& parameter, Numbers mean, std::int64_t first) {
        return LookAheadTensor{.parameter = parameter,
                               .before = before.pointer(),
                               .average = mean,
                               .count = count,
                               .first_block = first,
                               .share = 0.1f,
                               .extrapolation_before = 0.5f,
                               .extrapolation_after = 0.25f};
      };
      auto table = array(std::vector<LookAheadTensor>{
          row(whole, {.halves = one.pointer()}, 0),
          row(halves, {.floats = average.pointer()}, blocks_of(count))});
      run(LookAhead{table.pointer(), 2, 2 * blocks_of(count)});
    }
    auto exact = empty<float>(count);
    auto copies = array(
        std::vector<ExactTensor>{{.parameter = halves, .exact = exact.pointer(), .count = count}});
    run(ExactCopy{copies.pointer(), 1, blocks_of(count)});
    std::vector<double> wanted_whole, wanted_halves, wanted_one;
    for (std::size_t i = 0; i < n; ++i) {
      if (transports) {
        const double past = to_float(displacements[i]), point = values[i] - 0.5 * past;
        const double kept = changes[i] * point < 0 ? point : 0.9 * point;
        const double step = kept - 0.1 * changes[i] - point;
        wanted_one.push_back(step);
        wanted_whole.push_back(point + step * 1.25);
        wanted_halves.push_back(point + step * 1.25);
      } else {
        const auto ahead = [&](double mean) {
          const double next = mean + (values[i] - (befores[i] - 0.5 * mean) - mean) * 0.1;
          return std::pair(next, values[i] + 0.25 * next);
        };
        wanted_one.push_back(ahead(to_float(averages[i])).first);
        wanted_whole.push_back(ahead(to_float(averages[i])).second);
        wanted_halves.push_back(ahead(average_values[i]).second);
      }
    }
    expect_near(one.read(), wanted_one, "displacement or average");
    // The parameter takes the rounded displacement, a half of 2^-8 of it off.
    const auto whole_found = value.read(), halves_found = exact.read();
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(whole_found[i], wanted_whole[i], 2e-3 * (1 + std::abs(wanted_whole[i])));
      ASSERT_NEAR(halves_found[i], wanted_halves[i], 2e-3 * (1 + std::abs(wanted_halves[i])));
    }
  }
}

TEST_P(UpdateTwins, AnExactCopyGoesBothWays) {
  const std::int64_t count = 37;
  const auto values = random(count);
  auto exact = array(values), back = empty<float>(count);
  auto rounded = empty<Half>(count);
  auto remainder = empty<std::int16_t>(count);
  const Parameter halves{.rounded = rounded.pointer(), .remainder = remainder.pointer()};
  auto in = array(std::vector<ExactTensor>{
      {.parameter = halves, .exact = exact.pointer(), .count = count, .writes_parameter = true}});
  auto out = array(
      std::vector<ExactTensor>{{.parameter = halves, .exact = back.pointer(), .count = count}});
  run(ExactCopy{in.pointer(), 1, 1});
  run(ExactCopy{out.pointer(), 1, 1});
  EXPECT_EQ(back.read(), values);
}

TEST_P(UpdateTwins, SquaresAreSummedPerTensor) {
  std::vector<std::unique_ptr<Array<float>>> values;
  std::vector<SquareTensor> table;
  std::vector<double> wanted;
  std::int64_t blocks = 0;
  for (const std::int64_t count : counts_) {
    const auto numbers = random(count);
    wanted.push_back(0);
    for (const float number : numbers) wanted.back() += double{number} * number;
    values.push_back(std::make_unique<Array<float>>(GetParam(), numbers));
    table.push_back(
        {.numbers = {.floats = values.back()->pointer()}, .count = count, .first_block = blocks});
    blocks += blocks_of(count);
  }
  auto tensors = array(table);
  auto parts = empty<float>(blocks), totals = empty<float>(3);
  run(SquareSum{tensors.pointer(), 3, blocks, parts.pointer()});
  run(SquareTotal{tensors.pointer(), 3, blocks, parts.pointer(), totals.pointer()});
  expect_near(totals.read(), wanted, "totals");
}

TEST_P(UpdateTwins, NormaliseKeepsOrTransposes) {
  const std::int64_t count = 2, rows = 70, columns = 33;
  const auto values = random(count * rows * columns);
  auto matrices = array(values);
  auto totals = array(std::vector<float>{16.0f, 25.0f});
  for (const bool is_transposed : {false, true}) {
    auto out = empty<Half>(count * rows * columns);
    run(Normalise{.matrices = {.floats = matrices.pointer()},
                  .count = count,
                  .rows = rows,
                  .columns = columns,
                  .square_totals = totals.pointer(),
                  .factor = 1.5f,
                  .epsilon = 0.5f,
                  .is_transposed = is_transposed,
                  .out = out.pointer()});
    std::vector<double> wanted(values.size());
    const std::size_t size = 70 * 33;
    for (std::size_t matrix = 0; matrix < 2; ++matrix)
      for (std::size_t r = 0; r < 70; ++r)
        for (std::size_t c = 0; c < 33; ++c)
          wanted[matrix * size + (is_transposed ? c * 70 + r : r * 33 + c)] =
              values[matrix * size + r * 33 + c] / (matrix == 0 ? 6.5 : 8.0);
    expect_near(out.read(), wanted, "normalised");
  }
}

// 150 rows are two tiles, so three of the four quarters; k of 40 and 37 end inside a step.
TEST_P(UpdateTwins, SymmetricProductIsExactlySymmetric) {
  for (const std::int64_t k : {40, 37}) {
    for (const bool has_addend : {false, true}) {
      const std::int64_t count = 2, n = 150;
      const auto N = static_cast<std::size_t>(n), K = static_cast<std::size_t>(k);
      const auto x_values = stored_as<Half>(random(count * n * k, 0.5));
      auto addend_values = stored_as<Half>(random(count * n * n));
      for (std::size_t m = 0; m < 2; ++m)
        for (std::size_t r = 0; r < N; ++r)
          for (std::size_t c = 0; c < r; ++c)
            addend_values[(m * N + c) * N + r] = addend_values[(m * N + r) * N + c];
      auto x = array(x_values), addend = array(addend_values), out = empty<Half>(count * n * n);
      run(SymmetricProduct{.x = x.pointer(),
                           .count = count,
                           .n = n,
                           .k = k,
                           .addend = has_addend ? addend.pointer() : nullptr,
                           .product_factor = 1.5f,
                           .addend_factor = -0.5f,
                           .out = out.pointer()});
      std::vector<double> wanted(2 * N * N);
      for (std::size_t row = 0; row < 2 * N; ++row) {  // Of both matrices.
        for (std::size_t c = 0; c < N; ++c) {
          const std::size_t column = row / N * N + c;
          double sum = 0;
          for (std::size_t i = 0; i < K; ++i)
            sum += double{to_float(x_values[row * K + i])} * to_float(x_values[column * K + i]);
          wanted[row * N + c] =
              1.5 * sum - (has_addend ? 0.5 * to_float(addend_values[row * N + c]) : 0.0);
        }
      }
      const auto found = out.read();
      expect_near(found, wanted, "product");
      for (std::size_t row = 0; row < 2 * N; ++row)
        for (std::size_t c = 0; c < row % N; ++c)
          ASSERT_EQ(found[row * N + c], found[(row / N * N + c) * N + row % N]);
    }
  }
}

// Equal bits whatever order the threads run in: no barrier is missing, no sum depends on luck.
TEST(SimulatedThreads, TheOrderOfThreadsChangesNoBit) {
  Rng rng(test_seed());
  std::vector<float> logits(2 * 600), x(3 * 130), weight(130, 1.0f);
  for (float& value : logits) value = static_cast<float>(rng.normal());
  for (float& value : x) value = static_cast<float>(rng.normal());
  const std::vector<std::int64_t> targets = {3, 599};
  std::vector<Half> matrix(140 * 20);
  for (Half& value : matrix) set_float(value, static_cast<float>(rng.normal()));
  std::vector<std::vector<float>> results;
  std::vector<std::vector<Half>> products;
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::vector<float> chunk = logits, losses(2), y(x.size()), mean(3), inverse(3);
    const float whole = 1.0f;
    simulate(CrossEntropy<float>{chunk.data(), targets.data(), 2, 600, &whole, 0.0f, losses.data()},
             seed);
    simulate(ResidualNorm<float>{.x = x.data(),
                                 .weight = weight.data(),
                                 .epsilon = 1e-5f,
                                 .is_centred = true,
                                 .rows = 3,
                                 .width = 130,
                                 .y = y.data(),
                                 .mean = mean.data(),
                                 .inverse = inverse.data()},
             seed);
    chunk.insert(chunk.end(), y.begin(), y.end());
    results.push_back(chunk);
    std::vector<Half> out(140 * 140);
    simulate(SymmetricProduct{.x = matrix.data(), .n = 140, .k = 20, .out = out.data()}, seed);
    products.push_back(out);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(products[0], products[1]);
  EXPECT_EQ(products[0], products[2]);
}

TEST(SimulatedThreads, SeesAMissedBarrierAndAWriteBehindSharedMemory) {
  const Geometry shape{.blocks = 1, .threads = 64};
  SimulatedBlock block(shape, 1);
  EXPECT_THROW(block.run(0,
                         [&] {
                           if (block.thread() < 40) block.barrier();
                         }),
               std::runtime_error);
  EXPECT_THROW(block.run(0, [&] { block.shared()[shape.shared_bytes + 3] = 1; }),
               std::runtime_error);
}

}  // namespace
}  // namespace panal::kernels::cuda
