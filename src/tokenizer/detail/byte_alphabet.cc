#include "tokenizer/detail/byte_alphabet.h"

#include <array>

#include "base/utf8.h"

namespace panal::tokenizer::detail {
namespace {

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<std::int16_t, 0x180> bytes;  // By code point; -1 is outside the alphabet.
};

const Alphabet& alphabet() {
  static const Alphabet table = [] {
    Alphabet made;
    made.bytes.fill(-1);
    char32_t next_spare = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool is_printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                                (byte >= 0xAE && byte <= 0xFF);
      const char32_t character = is_printable ? char32_t(byte) : next_spare++;
      append_utf8(made.characters[std::size_t(byte)], character);
      made.bytes[character] = std::int16_t(byte);
    }
    return made;
  }();
  return table;
}

}  // namespace

const std::string& alphabet_character(std::uint8_t byte) { return alphabet().characters[byte]; }

std::string to_alphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) out += alphabet_character(std::uint8_t(byte));
  return out;
}

std::optional<std::string> from_alphabet(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (!step.is_valid || step.character >= alphabet().bytes.size()) return std::nullopt;
    const std::int16_t byte = alphabet().bytes[step.character];
    if (byte < 0) return std::nullopt;
    out += char(byte);
    text.remove_prefix(step.num_bytes);
  }
  return out;
}

}  // namespace panal::tokenizer::detail
