// UTF-8 steps, and the byte alphabet of GPT-2: byte-level BPE files write each byte as one
// printable character (space as U+0120, newline as U+010A), so that a vocabulary is readable text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace panal::data::detail {

/// The first character of a text, or its first maximal invalid part.
struct Utf8Step {
  char32_t character = 0xFFFD;  // U+FFFD for an invalid part.
  std::uint32_t num_bytes = 0;  // 0 only for an empty text.
  bool is_valid = false;
  bool is_cut = false;  // Invalid, but more bytes after the end could make it valid.
};
Utf8Step next_character(std::string_view text);

bool is_valid_utf8(std::string_view text);
/// Each maximal invalid part becomes U+FFFD, as Python's bytes.decode("utf-8", "replace").
std::string replace_invalid_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t character);

/// The character that stands for a byte, as UTF-8.
const std::string& alphabet_character(std::uint8_t byte);
std::string to_alphabet(std::string_view bytes);
/// Nothing when a character is outside the alphabet: the text stands for itself then.
std::optional<std::string> from_alphabet(std::string_view text);

}  // namespace panal::data::detail
