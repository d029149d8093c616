// Tokens of one answer become text, only ever whole UTF-8 characters. A seam so that the engine's
// tests need no tokenizer; text_decoders() is the real one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace panal::tokenizer {
class Tokenizer;
}

namespace panal::serve {

class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  /// The text that became complete with this token; may be empty.
  virtual std::string push(std::int32_t token) = 0;
  /// What is left at the end of the answer.
  virtual std::string finish() = 0;
  /// What a token stands for, of special ones their name; not always whole characters.
  virtual std::string_view bytes_of(std::int32_t token) const = 0;
};

using TextDecoderFactory = std::function<std::unique_ptr<TextDecoder>()>;

/// Decoders over a tokenizer, which must outlive them. Special tokens become no text.
TextDecoderFactory text_decoders(const tokenizer::Tokenizer& tokenizer);

}  // namespace panal::serve
