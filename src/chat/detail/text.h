// Python's str, as far as templates use it: what counts as a space or a letter, case, cutting at
// the ends. Texts are UTF-8; positions count characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace panal::chat::detail {

/// A string as code points, for indices and slices.
std::u32string code_points(std::string_view text);
std::string utf8_of(std::u32string_view characters);

/// str.isspace() and its like, of one character.
bool is_space(char32_t c);
bool is_letter(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
/// str.isprintable(): what repr() writes as it is.
bool is_printable(char32_t c);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string casefolded(std::string_view text);
std::string swapped_case(std::string_view text);
/// The first character in title case, the rest lower.
std::string capitalized(std::string_view text);
/// str.title(): each run of letters capitalized.
std::string titled(std::string_view text);
/// Jinja's filter: words begin after white space and opening signs.
std::string titled_words(std::string_view text);

enum class Side { kBoth, kLeft, kRight };
/// Without what `characters` holds at the ends; white space where it is nullptr.
std::string stripped(std::string_view text, const std::string* characters, Side side);

/// The next end of a line as str.splitlines() sees it: its begin and its length, {npos, 0} for
/// none.
struct LineEnd {
  std::size_t at = std::string_view::npos;
  std::size_t num_bytes = 0;
};
LineEnd next_line_end(std::string_view text, std::size_t from);

}  // namespace panal::chat::detail
