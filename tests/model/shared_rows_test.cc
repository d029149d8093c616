// Outputs that rows have in common are computed once, and are those of every row by itself.
#include "model/detail/shared_rows.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "model/decoder.h"

namespace panal::model {
namespace {

// [rows, 12]: each begins like the one before for a while.
at::Tensor rows_that_begin_alike(Rng& rng, std::int64_t rows) {
  const at::Tensor tokens = at::zeros({rows, 12}, at::kLong);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto shared = row == 0 ? 0 : static_cast<std::int64_t>(rng.below(13));
    for (std::int64_t t = 0; t < 12; ++t) {
      tokens[row][t] = t < shared ? tokens[row - 1][t].item<std::int64_t>()
                                  : static_cast<std::int64_t>(rng.below(50));
    }
  }
  return tokens;
}

recipe::ModelConfig small(recipe::Architecture architecture) {
  recipe::ModelConfig config;
  config.architecture = architecture;
  config.vocabulary_size = 50;
  config.width = 32;
  config.layers = 2;
  config.heads = 4;
  config.key_value_heads = architecture == recipe::Architecture::kLlama ? 2 : 4;
  config.head_width = 8;
  config.feed_forward_width = 64;
  config.context_length = 16;
  return config;
}

TEST(SharedRows, CountWhatIsWantedOnce) {
  const at::Tensor tokens =
      at::tensor(std::vector<std::int64_t>{7, 8, 9, 1, 7, 8, 5, 0, 7, 8, 9, 0}, at::kLong)
          .view({3, 4});
  // The whole first row, three of the second, and nothing of the third but what the first has.
  const std::vector<std::int64_t> positions = {3, 6, 10};
  const auto rows = detail::share_rows(tokens, positions, at::kCPU);
  EXPECT_TRUE(rows.tokens.equal(at::tensor(std::vector<std::int64_t>{7, 8, 9, 1, 5}).view({1, 5})));
  EXPECT_TRUE(
      rows.positions.equal(at::tensor(std::vector<std::int64_t>{0, 1, 2, 3, 2}).view({1, 5})));
  const at::Tensor values = at::arange(5, at::kFloat).view({1, 5, 1});
  EXPECT_TRUE(rows.spread(values).squeeze(-1).equal(
      at::tensor(std::vector<float>{0, 1, 2, 3, 0, 1, 4, 0, 0, 1, 2, 0}).view({3, 4})));
  EXPECT_TRUE(rows.gathered(rows.spread(values)).equal(values));
}

TEST(SharedRows, WantNothingAndStillWork) {
  const auto rows = detail::share_rows(at::zeros({2, 3}, at::kLong), {}, at::kCPU);
  EXPECT_EQ(rows.tokens.numel(), 1);
}

TEST(Decoder, LossesAtEqualThoseOfRowsOneByOne) {
  for (const recipe::Architecture architecture :
       {recipe::Architecture::kLlama, recipe::Architecture::kGpt2}) {
    Rng rng(17);
    SCOPED_TRACE(recipe::architecture_name(architecture));
    const Decoder decoder = Decoder::random(small(architecture), 3);
    const at::NoGradGuard no_gradients;
    for (int round = 0; round < 5; ++round) {
      const at::Tensor tokens = rows_that_begin_alike(rng, 6);
      std::vector<std::int64_t> positions, targets;
      std::vector<double> wanted;
      for (int i = 0; i < 20; ++i) {
        positions.push_back(static_cast<std::int64_t>(rng.below(6 * 12)));
        targets.push_back(static_cast<std::int64_t>(rng.below(50)));
        const std::int64_t row = positions.back() / 12, t = positions.back() % 12;
        const at::Tensor logits = decoder.forward(tokens.narrow(0, row, 1))[0][t].to(at::kDouble);
        wanted.push_back(-at::log_softmax(logits, 0)[targets.back()].item<double>());
      }
      const at::Tensor losses = decoder.losses_at(tokens, positions, targets);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_NEAR(losses[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 2e-5) << i;
      }
    }
  }
}

}  // namespace
}  // namespace panal::model
