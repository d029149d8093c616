// Mixtures: shares hold at every moment, sources shuffle on their own, a resume is exact.
#include "data/token_mixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "tests/store/temporary_folder.h"

namespace panal::data {
namespace {

using testing::HasSubstr;

// At every prefix of a long draw, for random weights from one to forty sources.
TEST(ShareOrder, KeepsEverySourceWithinOneWindowOfItsShare) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    std::vector<double> weights(1 + rng.below(40));
    for (double& weight : weights) weight = std::exp(6 * rng.normal());
    const ShareOrder order(weights);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto k = static_cast<double>(weights.size());
    const double bound = weights.size() == 1 ? 0 : 1 - 1 / (2 * k - 2);
    std::vector<std::int64_t> drawn(weights.size());
    double worst = 0;
    for (int n = 1; n <= 3000; ++n) {
      ++drawn[order.next(drawn)];
      for (std::size_t i = 0; i < weights.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(drawn[i]) - n * weights[i] / sum));
      }
    }
    EXPECT_LE(worst, bound + 1e-9);  // 1e-9: weights are rounded to 2^-48.
  }
}

TEST(ShareOrder, TakesEqualWeightsInTurnAndSaysTheShares) {
  const ShareOrder order(std::vector<double>{2, 2, 4});
  EXPECT_DOUBLE_EQ(order.share(0), 0.25);
  EXPECT_DOUBLE_EQ(order.share(2), 0.5);
  std::vector<std::int64_t> drawn(3);
  for (int i = 0; i < 400; ++i) ++drawn[order.next(drawn)];
  EXPECT_EQ(drawn, (std::vector<std::int64_t>{100, 100, 200}));
}

class TokenMixtureTest : public testing::Test {
 protected:
  // Tokens first, first + 1, ... in documents of random length.
  MixtureSource source(const std::string& name, double weight, int first, int count) {
    Rng rng(static_cast<std::uint64_t>(first) + 5);
    std::vector<std::vector<std::int32_t>> documents;
    for (int i = 0; i < count;) {
      auto& document = documents.emplace_back();
      for (std::uint64_t n = 1 + rng.below(20); n > 0 && i < count; --n) {
        document.push_back(first + i++);
      }
    }
    const auto path = folder_.path() / (name + ".tokens");
    EXPECT_TRUE(write_token_shard(store::posix_file_system(), path, 10'000, documents).ok());
    return {.name = name, .weight = weight, .shards = {TokenShard::open(path).value()}};
  }
  std::vector<MixtureSource> three() {
    return {source("web", 0.6, 1000, 900), source("books", 0.3, 3000, 300),
            source("code", 0.1, 5000, 120)};
  }

  test::TemporaryFolder folder_;
  const TokenStreamOptions options_{
      .batch = 3, .context = 10, .end_of_text = 0, .seed = 9, .packing = Packing::kWithinDocuments};
};

TEST_F(TokenMixtureTest, OfOneSourceGivesWhatItsStreamGives) {
  const MixtureSource only = source("only", 2.5, 1000, 400);
  auto mixture = TokenMixture::open({only}, options_).value();
  auto stream = TokenStream::open(only.shards, options_).value();
  for (int step = 0; step < 40; ++step) {
    TokenBatch mixed, plain;
    ASSERT_TRUE(mixture.next(mixed).ok());
    ASSERT_TRUE(stream.next(plain).ok());
    EXPECT_EQ(mixed.tokens, plain.tokens);
    EXPECT_EQ(mixed.targets, plain.targets);
    EXPECT_EQ(mixed.first_keys, plain.first_keys);
  }
}

// The windows of each source, taken out of the mixture, are its own stream: every window once per
// epoch.
TEST_F(TokenMixtureTest, DrawsEachSourceByItsShareWithEpochsOfItsOwn) {
  auto mixture = TokenMixture::open(three(), options_).value();
  std::map<int, std::vector<std::vector<std::int32_t>>> seen;
  constexpr int kSteps = 200;
  for (int step = 0; step < kSteps; ++step) {
    TokenBatch batch;
    ASSERT_TRUE(mixture.next(batch).ok());
    for (int row = 0; row < 3; ++row) {
      const auto begin = batch.tokens.begin() + row * 10;
      const int origin = *std::max_element(begin, begin + 10) / 2000;  // 0, 1 or 2.
      seen[origin].emplace_back(begin, begin + 10);
    }
  }
  const auto uses = mixture.use();
  const double shares[] = {0.6, 0.3, 0.1};
  for (std::size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(uses[i].name);
    const auto& windows = seen[static_cast<int>(i)];
    EXPECT_EQ(uses[i].windows, static_cast<std::int64_t>(windows.size()));
    EXPECT_NEAR(static_cast<double>(windows.size()), shares[i] * 3 * kSteps, 1);
    EXPECT_DOUBLE_EQ(uses[i].epochs(), static_cast<double>(windows.size()) /
                                           static_cast<double>(uses[i].num_windows));
    const auto epoch = static_cast<std::size_t>(uses[i].num_windows);
    ASSERT_GE(windows.size(), epoch);
    const std::set<std::vector<std::int32_t>> first(windows.begin(),
                                                    windows.begin() + std::ptrdiff_t(epoch));
    EXPECT_EQ(first.size(), epoch);
  }
}

TEST_F(TokenMixtureTest, AddingASourceLeavesTheOrderOfTheOthers) {
  const auto order_of = [&](std::vector<MixtureSource> sources) {
    auto mixture = TokenMixture::open(std::move(sources), options_).value();
    std::vector<std::vector<std::int32_t>> web;
    while (web.size() < 30) {
      TokenBatch batch;
      EXPECT_TRUE(mixture.next(batch).ok());
      for (int row = 0; row < 3; ++row) {
        const auto begin = batch.tokens.begin() + row * 10;
        if (*std::max_element(begin, begin + 10) < 2000) web.emplace_back(begin, begin + 10);
      }
    }
    web.resize(30);
    return web;
  };
  auto sources = three();
  const auto with_three = order_of(sources);
  sources.pop_back();
  EXPECT_EQ(order_of(sources), with_three);
}

TEST_F(TokenMixtureTest, ResumesExactlyWhereItStopped) {
  const auto sources = three();
  auto mixture = TokenMixture::open(sources, options_).value();
  for (int step = 0; step < 80; ++step) {
    const Json saved = parse_json(to_line(mixture.state()), "state").value();
    TokenBatch expected, found;
    ASSERT_TRUE(mixture.next(expected).ok());
    auto resumed = TokenMixture::open(sources, options_).value();
    ASSERT_TRUE(resumed.restore(saved).ok());
    ASSERT_TRUE(resumed.next(found).ok());
    EXPECT_EQ(found.tokens, expected.tokens);
    EXPECT_EQ(found.targets, expected.targets);
    EXPECT_EQ(resumed.state(), mixture.state());
  }
}

TEST_F(TokenMixtureTest, RefusesAStateThatIsNotItsOwnAndStaysWhereItWas) {
  auto mixture = TokenMixture::open(three(), options_).value();
  TokenBatch batch;
  ASSERT_TRUE(mixture.next(batch).ok());
  const Json before = mixture.state();
  auto fewer = three();
  fewer.pop_back();
  EXPECT_EQ(mixture.restore(TokenMixture::open(fewer, options_)->state()).code(), Code::kConflict);
  auto heavier = three();
  heavier[1].weight = 0.4;
  EXPECT_EQ(mixture.restore(TokenMixture::open(heavier, options_)->state()).code(),
            Code::kConflict);
  const auto spoiled = [&](const char* key, Json value) {
    Json bad = before;
    bad["sources"][2][key] = std::move(value);
    return mixture.restore(bad);
  };
  EXPECT_EQ(spoiled("windows", 7).code(), Code::kInvalidArgument);
  EXPECT_EQ(spoiled("windows", -1).code(), Code::kInvalidArgument);
  EXPECT_FALSE(spoiled("name", "other").ok());
  EXPECT_FALSE(spoiled("stream", nullptr).ok());
  Json far = before;
  far["sources"][0]["stream"]["epoch"] = (std::int64_t{1} << 53) - 1;
  EXPECT_FALSE(mixture.restore(far).ok());
  EXPECT_FALSE(mixture.restore(Json(5)).ok());
  EXPECT_EQ(mixture.state(), before);
}

TEST_F(TokenMixtureTest, SaysWhatIsWrongWithASource) {
  const auto told = [&](std::vector<MixtureSource> sources) {
    return TokenMixture::open(std::move(sources), options_).status().message();
  };
  EXPECT_THAT(told({}), HasSubstr("1 to 256 sources, found 0"));
  const auto good = source("good", 1, 1000, 100);
  EXPECT_THAT(told({good, good}), HasSubstr("\"good\" twice"));
  for (const double weight : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    auto bad = source("bad", weight, 2000, 100);
    EXPECT_THAT(told({good, bad}),
                HasSubstr("source \"bad\": the weight must be a number over 0, found"));
  }
  EXPECT_THAT(told({good, {.name = "none", .weight = 1, .shards = {}}}),
              HasSubstr("source \"none\" is empty"));
  EXPECT_THAT(told({good, source("short", 1, 3000, 4)}),
              HasSubstr("source \"short\": the data is shorter than one window"));
  const auto path = folder_.path() / "other.tokens";
  ASSERT_TRUE(write_token_shard(store::posix_file_system(), path, 50,
                                std::vector<std::vector<std::int32_t>>{{1, 2, 3}})
                  .ok());
  EXPECT_THAT(told({good, {.name = "other", .shards = {TokenShard::open(path).value()}}}),
              HasSubstr("source \"other\" is from another tokenizer: expected a vocabulary of "
                        "10000 ids, found 50"));
}

}  // namespace
}  // namespace panal::data
