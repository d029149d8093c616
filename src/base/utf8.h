// UTF-8, one character at a time, and what to do with bytes that are none (RFC 3629).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace panal {

/// The first character of a text, or its first maximal invalid part.
struct Utf8Step {
  char32_t character = 0xFFFD;  // U+FFFD for an invalid part.
  std::uint32_t num_bytes = 0;  // 0 only for an empty text.
  bool is_valid = false;
  bool is_cut = false;  // Invalid, but more bytes after the end could make it valid.
};
Utf8Step next_character(std::string_view text);

bool is_valid_utf8(std::string_view text);
/// Offset of the first byte that is not well-formed (overlong forms, surrogates and characters past
/// U+10FFFF are not), or std::string_view::npos.
std::size_t first_invalid_utf8(std::string_view text);
/// Each maximal invalid part becomes U+FFFD, as Python's bytes.decode("utf-8", "replace").
std::string replace_invalid_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t character);

/// Unicode characters of valid UTF-8, as Python's len() counts them.
std::int64_t count_characters(std::string_view text);

}  // namespace panal
