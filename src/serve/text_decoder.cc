// The real decoder: tokenizer::StreamDecoder over the model's own tokenizer.
#include "serve/text_decoder.h"

#include "tokenizer/tokenizer.h"

namespace panal::serve {
namespace {

class TokenizerTextDecoder final : public TextDecoder {
 public:
  explicit TokenizerTextDecoder(const tokenizer::Tokenizer& tokenizer)
      : tokenizer_(tokenizer), decoder_(tokenizer) {}
  std::string push(std::int32_t token) override { return decoder_.push(token); }
  std::string finish() override { return decoder_.finish(); }
  std::string_view bytes_of(std::int32_t token) const override {
    return tokenizer_.token_bytes(token);
  }

 private:
  const tokenizer::Tokenizer& tokenizer_;
  tokenizer::StreamDecoder decoder_;
};

}  // namespace

TextDecoderFactory text_decoders(const tokenizer::Tokenizer& tokenizer) {
  return [&tokenizer] { return std::make_unique<TokenizerTextDecoder>(tokenizer); };
}

}  // namespace panal::serve
