// Perplexity against the definition written out with forward(), and the losses that tell documents
// apart.
#include "evaluate/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/rng.h"
#include "model/decoder.h"
#include "tests/recipe/toy_model.h"
#include "tests/toy_text.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_trainer.h"

namespace panal::evaluate {
namespace {

using testing::HasSubstr;

model::Decoder small_decoder(std::int64_t vocabulary_size = 50) {
  return model::Decoder::random(recipe::toy_model(vocabulary_size, 16), 5);
}

std::vector<std::int32_t> random_tokens(int count) {
  Rng rng(9);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(static_cast<std::int32_t>(rng.below(50)));
  return tokens;
}

// Window by window, token by token, in double precision from the logits.
std::pair<double, int> loss_by_hand(const model::Decoder& decoder,
                                    const std::vector<std::int32_t>& tokens, std::size_t context) {
  double sum = 0;
  int scored = 0;
  for (std::size_t begin = 0; begin < tokens.size(); begin += context) {
    const std::size_t end = std::min(tokens.size(), begin + context);
    if (end - begin < 2) continue;
    std::vector<std::int64_t> window(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(end));
    const auto input = at::tensor(window, at::kLong).unsqueeze(0);
    const auto logs = at::log_softmax(decoder.forward(input).to(at::kDouble), -1);
    for (std::size_t i = 1; i < window.size(); ++i, ++scored) {
      sum -= logs[0][static_cast<std::int64_t>(i) - 1][window[i]].item<double>();
    }
  }
  return {sum / scored, scored};
}

TEST(Evaluate, EqualsTheDefinitionWithAndWithoutAPartWindow) {
  const model::Decoder decoder = small_decoder();
  for (const int count :
       {2, 9, 40, 41, 42, 47}) {  // 41: a last window of one token scores nothing.
    const auto tokens = random_tokens(count);
    const auto found = evaluate(decoder, tokens, {.context = 8, .batch = 3});
    ASSERT_TRUE(found.ok()) << found.status().message();
    const auto [loss, scored] = loss_by_hand(decoder, tokens, 8);
    EXPECT_EQ(found->tokens, scored) << count;
    EXPECT_NEAR(found->loss, loss, 1e-5) << count;  // float32 logits.
    EXPECT_NEAR(found->perplexity, std::exp(found->loss), 1e-9);
  }
}

TEST(Evaluate, DoesNotDependOnTheBatch) {
  const model::Decoder decoder = small_decoder();
  const auto tokens = random_tokens(100);
  const double one = evaluate(decoder, tokens, {.context = 16, .batch = 1})->loss;
  const double many = evaluate(decoder, tokens, {.context = 16, .batch = 50})->loss;
  EXPECT_NEAR(one, many, 1e-6);
}

TEST(Evaluate, LooksOnlyAtTheFirstTokensWhenLimited) {
  const model::Decoder decoder = small_decoder();
  const auto tokens = random_tokens(100);
  const auto limited = evaluate(decoder, tokens, {.context = 8, .max_tokens = 20});
  const auto cut = evaluate(decoder, std::span(tokens).first(20), {.context = 8});
  EXPECT_EQ(limited->tokens, 17);  // 7 + 7 + 3.
  EXPECT_DOUBLE_EQ(limited->loss, cut->loss);
}

TEST(Evaluate, RefusesWhatCannotBeScored) {
  const model::Decoder decoder = small_decoder();
  const auto tokens = random_tokens(20);
  EXPECT_THAT(evaluate(decoder, std::span(tokens).first(1), {.context = 8}).status().message(),
              HasSubstr("at least 2 tokens"));
  EXPECT_THAT(evaluate(decoder, tokens, {.context = 17}).status().message(), HasSubstr("2 to 16"));
  EXPECT_THAT(evaluate(decoder, tokens, {.context = 1}).status().message(), HasSubstr("found 1"));
  const std::vector<std::int32_t> outside = {1, 2, 50};
  EXPECT_THAT(evaluate(decoder, outside, {.context = 8}).status().message(),
              HasSubstr("vocabulary of 50, found 50 at position 2"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(evaluate(decoder, tokens, {.context = 8, .stop = stop.get_token()}).code(),
            Code::kCancelled);
}

// Windows of 3 over 7 tokens score 4 of them, and the last one, alone, none.
TEST(Evaluate, GivesBitsPerByteOfTheScoredTokens) {
  const std::string text = toy_text(30);
  const std::vector<std::string_view> views = {text};
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 300;
  const tokenizer::Tokenizer tokenizer = tokenizer::train_tokenizer(views, options).value();
  const model::Decoder decoder = small_decoder(300);
  std::vector<std::int32_t> tokens = tokenizer.encode("the keeper remembers a flower. wax");
  ASSERT_GE(tokens.size(), 7u);
  tokens.resize(7);
  const auto plain = evaluate(decoder, tokens, {.context = 3}).value();
  EXPECT_FALSE(plain.bits_per_byte);
  const auto found = evaluate(decoder, tokens, {.context = 3, .tokenizer = &tokenizer}).value();
  ASSERT_EQ(found.tokens, 4);
  std::size_t bytes = 0;
  for (const std::size_t i : {1, 2, 4, 5}) bytes += tokenizer.token_bytes(tokens[i]).size();
  ASSERT_TRUE(found.bits_per_byte);
  EXPECT_NEAR(*found.bits_per_byte, found.loss * 4 / std::log(2.0) / static_cast<double>(bytes),
              1e-12);
}

TEST(DocumentLosses, EqualEvaluatingEachHeadAlone) {
  const std::string text = toy_text(30);
  const std::vector<std::string_view> views = {text};
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 300;
  const auto tokenizer = tokenizer::train_tokenizer(views, options);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const model::Decoder decoder = small_decoder(300);
  const std::vector<data::Document> documents = {
      {.text = text.substr(0, 500), .source = ""}, {.text = "", .source = ""},
      {.text = "the bee", .source = ""},           {.text = text.substr(200, 90), .source = ""},
      {.text = "\xC3\xB1", .source = ""},          {.text = text, .source = ""}};
  double progress = 0;
  const auto losses =
      document_losses(decoder, *tokenizer, documents,
                      {.max_tokens_per_document = 12, .batch = 2, .on_progress = [&](double done) {
                         progress = done;
                       }});
  ASSERT_TRUE(losses.ok()) << losses.status().message();
  ASSERT_EQ(losses->size(), documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto tokens = tokenizer->encode(documents[i].text);
    tokens.resize(std::min<std::size_t>(tokens.size(), 12));
    if (tokens.size() < 2) {
      EXPECT_TRUE(std::isnan(losses->at(i))) << i;
      continue;
    }
    EXPECT_NEAR(losses->at(i), evaluate(decoder, tokens, {.context = 12})->loss, 1e-5) << i;
  }
  EXPECT_DOUBLE_EQ(progress, 1.0);
}

TEST(SampleText, RepeatsFromItsSeedAndIsGreedyAtZero) {
  const std::string text = toy_text(30);
  const std::vector<std::string_view> views = {text};
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 300;
  const auto tokenizer = tokenizer::train_tokenizer(views, options);
  ASSERT_TRUE(tokenizer.ok());
  const model::Decoder decoder = small_decoder(300);
  const auto sampled = [&](double temperature, std::uint64_t seed) {
    return sample_text(decoder, *tokenizer, "the", 20, temperature, seed);
  };
  EXPECT_EQ(sampled(1.0, 3), sampled(1.0, 3));
  EXPECT_NE(sampled(1.0, 3), sampled(1.0, 4));
  EXPECT_EQ(sampled(0.0, 3), sampled(0.0, 4));
  EXPECT_TRUE(sampled(0.0, 3).starts_with("the"));
  EXPECT_FALSE(sample_text(decoder, *tokenizer, "", 20, 1.0, 1).empty());
}

}  // namespace
}  // namespace panal::evaluate
