#include "tokenizer/tokenizer_trainer.h"
#include "base/utf8.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tokenizer/tokenizer_golden.h"
#include "tokenizer/detail/byte_alphabet.h"

namespace panal::tokenizer {
namespace {

using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

// The first 300,000 bytes, without the character that the cut may split.
std::string sample() {
  std::string text = quijote().substr(0, 300000);
  std::string valid = replace_invalid_utf8(text);
  while (valid.ends_with("\xEF\xBF\xBD")) valid.resize(valid.size() - 3);
  return valid;
}

std::string first_characters(std::string_view text, int count) {
  std::size_t at = 0;
  while (count-- > 0) at += next_character(text.substr(at)).num_bytes;
  return std::string(text.substr(0, at));
}

TokenizerTrainerOptions small(std::int32_t vocabulary_size) {
  TokenizerTrainerOptions options;
  options.vocabulary_size = vocabulary_size;
  return options;
}

TEST(TokenizerTrainer, LearnsTheVocabularyOfHuggingFacesTrainer) {
  const std::string text = sample();
  const std::string mixed = mixed_text(21, 3000);
  const std::vector<std::string_view> texts = {text, mixed};
  for (const Json& expected : golden("trainer.json")) {
    TokenizerTrainerOptions options = small(expected.at("vocabulary_size").get<std::int32_t>());
    options.special_tokens = expected.at("special_tokens").get<std::vector<std::string>>();
    options.eos =
        options.special_tokens.empty() ? std::nullopt : std::optional(options.special_tokens[0]);
    options.splits_digits = expected.at("splits_digits").get<bool>();
    const auto trained = train_tokenizer(texts, options);
    ASSERT_TRUE(trained.ok()) << trained.status().message();
    ASSERT_EQ(trained->vocabulary_size(), options.vocabulary_size);
    std::string joined;
    std::vector<std::string> tokens;
    for (std::int32_t id = 0; id < trained->vocabulary_size(); ++id) {
      tokens.push_back(trained->is_special(id) ? trained->token_bytes(id)
                                               : detail::to_alphabet(trained->token_bytes(id)));
      joined += (id > 0 ? "\n" : "") + tokens.back();
    }
    EXPECT_EQ(std::vector<std::string>(tokens.end() - 24, tokens.end()),
              expected.at("last_tokens").get<std::vector<std::string>>());
    EXPECT_EQ(sha256_hex(joined), expected.at("tokens_sha256").get<std::string>());
    const Ids ids = trained->encode(first_characters(text, 50000));
    EXPECT_EQ(ids.size(), expected.at("ids").at("count").get<std::size_t>());
    EXPECT_EQ(digest(ids), expected.at("ids").at("sha256").get<std::string>());
  }
}

TEST(TokenizerTrainer, PutsSpecialTokensFirstAndKnowsTheEnds) {
  TokenizerTrainerOptions options = small(300);
  options.special_tokens = {"<|start|>", "<|end|>"};
  options.bos = "<|start|>";
  options.eos = "<|end|>";
  options.chat_template = "{{ messages }}";
  const std::string text =
      "el perro come pan, el gato come pan, el perro y el gato comen pan y pan y pan " +
      sample().substr(0, 5000);
  const std::vector<std::string_view> texts = {text};
  const auto trained = train_tokenizer(texts, options);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  EXPECT_EQ(trained->bos_id(), 0);
  EXPECT_EQ(trained->eos_id(), 1);
  EXPECT_EQ(trained->encode("<|end|>", SpecialTokens::kParse), (Ids{1}));
  EXPECT_EQ(trained->decode(trained->encode(text)), text);
  EXPECT_EQ(trained->chat_template(), "{{ messages }}");
  const auto reloaded = Tokenizer::from_json(trained->to_tokenizer_json(), "saved",
                                             trained->to_tokenizer_config_json());
  ASSERT_TRUE(reloaded.ok()) << reloaded.status().message();
  EXPECT_EQ(reloaded->encode(text), trained->encode(text));
  EXPECT_EQ(reloaded->eos_id(), 1);
}

TEST(TokenizerTrainer, ReportsProgressUpToTheEnd) {
  TokenizerTrainerOptions options = small(600);
  TrainerProgress last;
  int num_calls = 0;
  options.progress = [&](const TrainerProgress& progress) {
    last = progress;
    ++num_calls;
  };
  const std::string text = sample();
  const std::vector<std::string_view> texts = {text};
  ASSERT_TRUE(train_tokenizer(texts, options).ok());
  EXPECT_EQ(last.bytes_read, std::int64_t(text.size()));
  EXPECT_EQ(last.merges_done, last.merges_wanted);
  EXPECT_GT(num_calls, 10);
}

TEST(TokenizerTrainer, RefusesWhatItCannotTrain) {
  const auto message_of = [](std::string_view text, const TokenizerTrainerOptions& options) {
    const std::vector<std::string_view> texts = {text};
    return train_tokenizer(texts, options).status().message();
  };
  EXPECT_THAT(message_of("", small(300)), HasSubstr("no text"));
  EXPECT_THAT(message_of("abc", small(256)), HasSubstr("257"));
  EXPECT_THAT(message_of("ab ab ab", small(5000)), HasSubstr("enough for 259 tokens"));
  EXPECT_THAT(message_of("1234 5678 9012 3456", small(300)),
              HasSubstr("all its 11 different words are single characters (each digit is one)"));
  TokenizerTrainerOptions twice = small(300);
  twice.special_tokens = {"<x>", "<x>"};
  EXPECT_THAT(message_of("abc", twice), HasSubstr("different"));
  TokenizerTrainerOptions unknown = small(300);
  unknown.eos = "<unknown>";
  EXPECT_THAT(message_of("abc", unknown), HasSubstr("<unknown>"));
}

}  // namespace
}  // namespace panal::tokenizer
