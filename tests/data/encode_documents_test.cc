#include "data/encode_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/mixed_documents.h"
#include "tokenizer/tokenizer_trainer.h"

namespace panal::data {
namespace {

tokenizer::Tokenizer small_tokenizer() {
  std::vector<std::string_view> texts;
  for (std::size_t i = 0; i < 50; ++i) texts.push_back(mixed_documents()[i].text);
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = 400;
  return tokenizer::train_tokenizer(texts, options).value();
}

// The oracle is one document after the other on one thread.
TEST(EncodeDocuments, GivesTheSameForAnyNumberOfThreads) {
  std::vector<std::string_view> texts;
  for (const Document& document : mixed_documents()) {
    if (texts.size() < 200) texts.push_back(document.text);
  }
  texts.insert(texts.begin() + 17, "");
  const tokenizer::Tokenizer tokenizer = small_tokenizer();
  std::vector<std::vector<std::int32_t>> expected;
  for (const std::string_view text : texts) expected.push_back(tokenizer.encode(text));
  for (const int threads : {0, 1, 2, 3, 7, 256}) {
    EXPECT_EQ(encode_documents(tokenizer, texts, {.threads = threads}).value(), expected)
        << threads;
  }
  EXPECT_TRUE(encode_documents(tokenizer, {}, {.threads = 4})->empty());
}

TEST(EncodeDocuments, StopsWhenAskedAndRefusesThreadsOutOfRange) {
  const std::vector<std::string_view> texts(100, "a b c");
  const tokenizer::Tokenizer tokenizer = small_tokenizer();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(encode_documents(tokenizer, texts, {.stop = stop.get_token()}).code(),
            Code::kCancelled);
  EXPECT_EQ(encode_documents(tokenizer, texts, {.threads = -1}).code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_documents(tokenizer, texts, {.threads = 257}).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::data
