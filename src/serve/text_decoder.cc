// The real decoder: data::StreamDecoder over the model's own tokenizer.
#include "serve/text_decoder.h"

#include "data/tokenizer.h"

namespace panal::serve {
namespace {

class TokenizerTextDecoder final : public TextDecoder {
 public:
  explicit TokenizerTextDecoder(const data::Tokenizer& tokenizer) : decoder_(tokenizer) {}
  std::string push(std::int32_t token) override { return decoder_.push(token); }
  std::string finish() override { return decoder_.finish(); }

 private:
  data::StreamDecoder decoder_;
};

}  // namespace

TextDecoderFactory text_decoders(const data::Tokenizer& tokenizer) {
  return [&tokenizer] { return std::make_unique<TokenizerTextDecoder>(tokenizer); };
}

}  // namespace panal::serve
