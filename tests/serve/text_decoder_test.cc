// The real model's tokenizer behind the engine's seam: characters cut into several tokens come out
// whole.
#include "serve/text_decoder.h"

#include <gtest/gtest.h>

#include "tokenizer/tokenizer.h"

namespace panal::serve {
namespace {

TEST(TextDecoders, GiveWholeCharactersThatJoinToTheText) {
  const auto tokenizer =
      tokenizer::Tokenizer::load(PANAL_DEPS_DIR "/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const std::string text = "El año de la 蜂巢 🐝, naïve —fin";
  const TextDecoderFactory make = text_decoders(*tokenizer);
  const auto decoder = make();
  std::string joined;
  std::size_t num_silent = 0;
  for (const std::int32_t id : tokenizer->encode(text)) {
    const std::string piece = decoder->push(id);
    if (piece.empty()) {
      ++num_silent;
    } else {
      EXPECT_NE(static_cast<unsigned char>(piece.front()) & 0xC0, 0x80)
          << "starts inside a character";
    }
    joined += piece;
  }
  EXPECT_EQ(joined + decoder->finish(), text);
  EXPECT_GT(num_silent, 0u) << "some characters need several tokens";
}

}  // namespace
}  // namespace panal::serve
