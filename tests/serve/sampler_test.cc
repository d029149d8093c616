// Drawing against the closed form of the softmax, and stop strings against a plain search.
#include "serve/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "serve/detail/stop_matcher.h"

namespace panal::serve {
namespace {

Result<std::int32_t> draw(Sampler& sampler, std::vector<float> logits) {
  return sampler.sample(logits);
}

std::int32_t drawn(const work::Sampling& sampling, const std::vector<float>& logits,
                   const std::vector<std::int32_t>& prompt = {}) {
  Sampler sampler(sampling, prompt);
  return draw(sampler, logits).value();
}

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  const std::vector<float> logits = {1, 5, 5, 2};
  EXPECT_EQ(drawn({.temperature = 0}, logits), 1);
}

TEST(Sampler, DrawsInProportionToTheSoftmaxAtItsTemperature) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -INFINITY};
  for (const double temperature : {0.5, 1.0, 2.0}) {
    Sampler sampler({.temperature = temperature, .seed = 3});
    std::map<std::int32_t, double> share;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i) share[draw(sampler, logits).value()] += 1.0 / kDraws;
    double total = 0;
    for (int token = 0; token < 3; ++token) total += std::exp(token / temperature);
    for (int token = 0; token < 3; ++token) {
      // Four standard deviations of a share over 40000 draws are below 0.01.
      EXPECT_NEAR(share[token], std::exp(token / temperature) / total, 0.01) << temperature;
    }
    EXPECT_EQ(share.count(3), 0u) << "a token of probability 0 is never drawn";
  }
}

TEST(Sampler, TopKAndTopPLeaveOnlyTheLikeliest) {
  std::vector<float> logits(1000, 0.0f);
  logits[700] = 4.0f;
  logits[300] = 3.9f;
  logits[5] = 3.8f;
  Sampler two({.temperature = 1, .top_k = 2, .seed = 1});
  // 700, 300 and 5 hold about 13 % of the mass: 0.08 needs exactly the first two.
  Sampler nucleus({.temperature = 1, .top_p = 0.08, .seed = 1});
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE((std::set<std::int32_t>{700, 300}.contains(draw(two, logits).value())));
    EXPECT_TRUE((std::set<std::int32_t>{700, 300}.contains(draw(nucleus, logits).value())));
  }
}

TEST(Sampler, TopPOfEqualTokensKeepsTheLowestIds) {
  const std::vector<float> logits(200, 1.0f);
  Sampler sampler({.temperature = 1, .top_p = 0.5, .seed = 9});
  std::set<std::int32_t> seen;
  for (int i = 0; i < 5000; ++i) seen.insert(draw(sampler, logits).value());
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(*seen.rbegin(), 99);
}

TEST(Sampler, AModelThatCameApartIsAnErrorNotAToken) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature});
    for (const std::size_t place : {0u, 5u, 63u, 64u, 99u}) {
      std::vector<float> logits(100, 1.0f);
      logits[place] = nan;
      const auto token = draw(sampler, logits);
      EXPECT_EQ(token.code(), Code::kInternal);
      EXPECT_EQ(token.status().message(),
                "the model's score of token " + std::to_string(place) + " is not a number");
    }
    EXPECT_EQ(draw(sampler, std::vector<float>(3, -INFINITY)).code(), Code::kInternal);
    EXPECT_EQ(draw(sampler, {}).code(), Code::kInternal);
    EXPECT_EQ(draw(sampler, {1, INFINITY, 2}).value(), 1);
  }
}

TEST(Sampler, MinPLeavesWhatIsNearTheLikeliest) {
  // Shares of the likeliest: 1, 0.5, 0.1.
  const std::vector<float> logits = {0.0f, std::log(0.5f), std::log(0.1f)};
  Sampler sampler({.min_p = 0.3, .seed = 4});
  std::set<std::int32_t> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(draw(sampler, logits).value());
  EXPECT_EQ(seen, (std::set<std::int32_t>{0, 1}));
}

// By hand: what OpenAI documents (score minus count times frequency minus presence) and CTRL's
// division.
TEST(Sampler, PenaltiesMakeUsedTokensRarer) {
  const std::vector<float> logits = {2.0f, 1.5f, -1.0f};
  Sampler frequency({.temperature = 0, .frequency_penalty = 0.3});
  // 2.0, then 1.7, then 1.4 < 1.5.
  for (const std::int32_t wanted : {0, 0, 1, 0}) EXPECT_EQ(draw(frequency, logits).value(), wanted);
  Sampler presence({.temperature = 0, .presence_penalty = 0.6});
  for (const std::int32_t wanted : {0, 1, 0}) EXPECT_EQ(draw(presence, logits).value(), wanted);
  // The prompt counts for repetition alone: 2.0 / 2 < 1.5.
  const std::vector<std::int32_t> prompt = {0, 7};
  EXPECT_EQ(drawn({.temperature = 0, .repetition_penalty = 2}, logits, prompt), 1);
  EXPECT_EQ(drawn({.temperature = 0, .presence_penalty = 2}, logits, prompt), 0);
  // A score below 0 moves down, too.
  const std::vector<float> negative = {-1.0f, -1.5f};
  EXPECT_EQ(drawn({.temperature = 0, .repetition_penalty = 2}, negative, prompt), 1);
}

TEST(Sampler, BiasComesBeforeEverythingElse) {
  const std::vector<float> logits = {2.0f, 1.5f, 1.0f};
  EXPECT_EQ(drawn({.temperature = 0, .logit_bias = {{2, 1.5}}}, logits), 2);
  EXPECT_EQ(drawn({.temperature = 0, .logit_bias = {{0, -100}}}, logits), 1);
  // A token that the row does not have is nobody's.
  EXPECT_EQ(drawn({.temperature = 0, .logit_bias = {{3, 100}}}, logits), 0);
  EXPECT_EQ(check_sampling({.logit_bias = {{5, 101}}}).message(),
            "logit_bias must be from -100 to 100, found 101 for token 5");
}

// What was drawn before does not matter, only how much.
TEST(Sampler, DrawsByTheSeedAndThePosition) {
  const std::vector<float> flat(5000, 0.0f);
  Sampler one({.seed = 8}), other({.seed = 8});
  std::vector<float> row = flat;
  row[3] = 50;
  EXPECT_EQ(one.sample(row).value(), 3);
  row = flat;
  other.sample(row).value();
  std::set<std::int32_t> seen;
  for (int i = 0; i < 20; ++i) {
    std::vector<float> first = flat, second = flat;
    const std::int32_t token = one.sample(first).value();
    EXPECT_EQ(other.sample(second).value(), token);
    seen.insert(token);
  }
  EXPECT_GT(seen.size(), 15u);
}

// The plain definition: all tokens in order, cut one after the other, in double.
std::map<std::int32_t, double> defined_shares(const work::Sampling& sampling,
                                              const std::vector<float>& logits) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](auto a, auto b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  const double best = logits[static_cast<std::size_t>(order[0])];
  const auto weight = [&](std::int32_t token) {
    return std::exp((logits[static_cast<std::size_t>(token)] - best) /
                    sampling.temperature.value_or(1));
  };
  const auto mass = [&] {
    double total = 0;
    for (const std::int32_t token : order) total += weight(token);
    return total;
  };
  const auto top_k = static_cast<std::size_t>(sampling.top_k.value_or(0));
  if (top_k > 0) order.resize(std::min(order.size(), top_k));
  const double wanted = sampling.top_p.value_or(1) * mass();
  double held = 0;
  std::size_t kept = 0;
  while (held < wanted * (1 - 1e-12) && kept < order.size()) held += weight(order[kept++]);
  order.resize(kept);
  std::erase_if(order, [&](auto token) { return weight(token) < sampling.min_p.value_or(0); });
  const double total = mass();
  std::map<std::int32_t, double> shares;
  for (const std::int32_t token : order) shares[token] = weight(token) / total;
  return shares;
}

// Every way through the shortcuts: few candidates, more, most of them, all; widths beside blocks.
TEST(Sampler, LeavesWhatThePlainDefinitionLeaves) {
  constexpr std::uint64_t kSeed = 5;
  Rng rng(kSeed);
  int num_compared = 0;
  for (const std::size_t width : {1u, 63u, 64u, 1000u, 20'011u}) {
    for (const double spread : {0.01, 1.0, 6.0}) {
      std::vector<float> logits(width);
      for (float& logit : logits) logit = static_cast<float>(spread * rng.normal());
      for (const work::Sampling& sampling :
           {work::Sampling{.top_k = 40}, work::Sampling{.top_k = 900}, work::Sampling{.top_p = 0.1},
            work::Sampling{.top_p = 0.95}, work::Sampling{.min_p = 0.05},
            work::Sampling{.temperature = 0.3, .top_p = 0.999},
            work::Sampling{.temperature = 3, .top_p = 0.5, .min_p = 0.2, .top_k = 300}}) {
        const auto shares = defined_shares(sampling, logits);
        std::map<std::int32_t, int> counts;
        work::Sampling seeded = sampling;
        seeded.seed = 1;
        Sampler sampler(seeded);
        constexpr int kDraws = 200;
        for (int i = 0; i < kDraws; ++i) {
          std::vector<float> row = logits;
          ++counts[sampler.sample(row).value()];
        }
        int num_strange = 0;
        for (const auto& [token, count] : counts) num_strange += shares.count(token) == 0;
        // Floats may see the very last token of a cut otherwise.
        EXPECT_LE(num_strange, shares.size() > 1000 ? 1 : 0)
            << "width " << width << ", spread " << spread << ", seed " << kSeed;
        const auto& [likeliest, share] =
            *std::ranges::max_element(shares, {}, [](const auto& one) { return one.second; });
        // Five standard deviations of 200 draws.
        EXPECT_NEAR(counts[likeliest] / double{kDraws}, share, 0.18);
        ++num_compared;
      }
    }
  }
  EXPECT_EQ(num_compared, 105);
}

TEST(Sampler, TheSmallestTemperaturesAreGreedy) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.999f};
  for (const double temperature : {1e-6, 1e-30, 1e-300}) {
    for (const double top_p : {1.0, 0.9})
      EXPECT_EQ(drawn({.temperature = temperature, .top_p = top_p}, logits), 1) << temperature;
  }
}

TEST(Sampler, DefaultsAreForRequestsThatNameNoTemperature) {
  const work::Sampling nothing;
  EXPECT_EQ(with_defaults(nothing, {}).temperature, kDefaultTemperature);
  EXPECT_EQ(with_defaults(nothing, {}).top_p, kDefaultTopP);
  const work::Sampling model{.temperature = 0.2, .top_k = 20};
  EXPECT_EQ(with_defaults(nothing, model), model);
  // What the request says wins, and brings nothing else with it.
  EXPECT_EQ(with_defaults({.temperature = 1}, model), work::Sampling{.temperature = 1});
  EXPECT_EQ(with_defaults({.top_k = 5}, model).top_k, 5);
  EXPECT_EQ(with_defaults({.top_k = 5}, model).temperature, 0.2);
}

TEST(Sampler, RefusesOptionsOutOfRangeByName) {
  const auto refusal = [](const work::Sampling& sampling) {
    return check_sampling(sampling).message();
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({.top_p = 0}), "top_p must be over 0, found 0");
  EXPECT_EQ(refusal({.min_p = 1.5}), "min_p must be from 0 to 1, found 1.5");
  EXPECT_EQ(refusal({.frequency_penalty = -3}), "frequency_penalty must be from -2 to 2, found -3");
  EXPECT_NE(refusal({.temperature = std::nan("")}), "");
}

TEST(StopMatcher, AgreesWithSearchingTheWholeTextForEveryWayToCutIt) {
  const std::string text = "aabaabaaabcxaab";
  for (const std::vector<std::string>& stops :
       {std::vector<std::string>{"aabc"}, {"baaa", "cx"}, {"zzz"}, {"abaabaaabcxaabq", "xaab"}}) {
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops) first = std::min(first, text.find(stop));
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
      detail::StopMatcher matcher(stops);
      std::string given;
      for (std::size_t i = 0; i < text.size(); i += piece)
        given += matcher.push(text.substr(i, piece));
      EXPECT_EQ(matcher.stopped(), first != std::string::npos);
      if (!matcher.stopped()) given += matcher.flush();
      EXPECT_EQ(given, text.substr(0, first)) << "pieces of " << piece;
    }
  }
}

}  // namespace
}  // namespace panal::serve
