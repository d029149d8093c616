// Drawing against the closed form of the softmax, and stop strings against a plain search.
#include "serve/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "serve/detail/stop_matcher.h"

namespace panal::serve {
namespace {

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  const std::vector<float> logits = {1, 5, 5, 2};
  EXPECT_EQ(Sampler({.temperature = 0}).sample(logits).value(), 1);
}

TEST(Sampler, DrawsInProportionToTheSoftmaxAtItsTemperature) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -INFINITY};
  for (const double temperature : {0.5, 1.0, 2.0}) {
    Sampler sampler({.temperature = temperature, .seed = 3});
    std::map<std::int32_t, double> share;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i) share[sampler.sample(logits).value()] += 1.0 / kDraws;
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
    EXPECT_TRUE((std::set<std::int32_t>{700, 300}.contains(two.sample(logits).value())));
    EXPECT_TRUE((std::set<std::int32_t>{700, 300}.contains(nucleus.sample(logits).value())));
  }
}

TEST(Sampler, TopPOfEqualTokensKeepsTheLowestIds) {
  const std::vector<float> logits(200, 1.0f);
  Sampler sampler({.temperature = 1, .top_p = 0.5, .seed = 9});
  std::set<std::int32_t> drawn;
  for (int i = 0; i < 5000; ++i) drawn.insert(sampler.sample(logits).value());
  EXPECT_EQ(drawn.size(), 100u);
  EXPECT_EQ(*drawn.rbegin(), 99);
}

TEST(Sampler, AModelThatCameApartIsAnErrorNotAToken) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const double temperature : {0.0, 1.0}) {
    EXPECT_EQ(Sampler({.temperature = temperature}).sample(std::vector<float>{1, nan}).code(),
              Code::kInternal);
    EXPECT_EQ(Sampler({.temperature = temperature}).sample(std::vector<float>(3, -INFINITY)).code(),
              Code::kInternal);
    EXPECT_EQ(Sampler({.temperature = temperature}).sample({}).code(), Code::kInternal);
    EXPECT_EQ(
        Sampler({.temperature = temperature}).sample(std::vector<float>{1, INFINITY, 2}).value(),
        1);
  }
}

TEST(Sampler, MinPLeavesWhatIsNearTheLikeliest) {
  // Shares of the likeliest: 1, 0.5, 0.1.
  const std::vector<float> logits = {0.0f, std::log(0.5f), std::log(0.1f)};
  Sampler sampler({.min_p = 0.3, .seed = 4});
  std::set<std::int32_t> drawn;
  for (int i = 0; i < 2000; ++i) drawn.insert(sampler.sample(logits).value());
  EXPECT_EQ(drawn, (std::set<std::int32_t>{0, 1}));
}

// By hand: what OpenAI documents (score minus count times frequency minus presence) and CTRL's
// division.
TEST(Sampler, PenaltiesMakeUsedTokensRarer) {
  const std::vector<float> logits = {2.0f, 1.5f, -1.0f};
  Sampler frequency({.temperature = 0, .frequency_penalty = 0.3});
  // 2.0, then 1.7, then 1.4 < 1.5.
  for (const std::int32_t wanted : {0, 0, 1, 0})
    EXPECT_EQ(frequency.sample(logits).value(), wanted);
  Sampler presence({.temperature = 0, .presence_penalty = 0.6});
  for (const std::int32_t wanted : {0, 1, 0}) EXPECT_EQ(presence.sample(logits).value(), wanted);
  // The prompt counts for repetition alone: 2.0 / 2 < 1.5.
  const std::vector<std::int32_t> prompt = {0, 7};
  EXPECT_EQ(Sampler({.temperature = 0, .repetition_penalty = 2}, prompt).sample(logits).value(), 1);
  EXPECT_EQ(Sampler({.temperature = 0, .presence_penalty = 2}, prompt).sample(logits).value(), 0);
  // A score below 0 moves down, too.
  const std::vector<float> negative = {-1.0f, -1.5f};
  EXPECT_EQ(Sampler({.temperature = 0, .repetition_penalty = 2}, prompt).sample(negative).value(),
            1);
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
