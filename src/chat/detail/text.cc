#include "chat/detail/text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "base/utf8.h"

namespace panal::chat::detail {
namespace {

icu::UnicodeString unicode(std::string_view utf8) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())));
}

std::string utf8(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

std::string utf8_character(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

int numeric_type(char32_t c) { return u_getIntPropertyValue(UChar32(c), UCHAR_NUMERIC_TYPE); }

std::string title_character(char32_t c) {
  icu::UnicodeString title = unicode(utf8_character(c));
  return utf8(title.toTitle(nullptr, icu::Locale::getRoot()));
}

}  // namespace

std::u32string code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    out += step.character;
    text.remove_prefix(step.num_bytes);
  }
  return out;
}

std::string utf8_of(std::u32string_view characters) {
  std::string out;
  for (const char32_t character : characters) append_utf8(out, character);
  return out;
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || u_charType(UChar32(c)) == U_SPACE_SEPARATOR || c == 0x2028 || c == 0x2029;
}
bool is_letter(char32_t c) { return u_isalpha(UChar32(c)); }
bool is_decimal(char32_t c) { return numeric_type(c) == U_NT_DECIMAL; }
bool is_digit(char32_t c) { return is_decimal(c) || numeric_type(c) == U_NT_DIGIT; }
bool is_numeric(char32_t c) { return numeric_type(c) != U_NT_NONE; }
bool is_upper(char32_t c) { return u_isUUppercase(UChar32(c)); }
bool is_lower(char32_t c) { return u_isULowercase(UChar32(c)); }
bool is_title(char32_t c) { return u_charType(UChar32(c)) == U_TITLECASE_LETTER; }

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  constexpr std::uint32_t kOthers =
      U_GC_C_MASK | U_GC_Z_MASK;  // Controls, surrogates, private use, unassigned; separators.
  return (U_MASK(u_charType(UChar32(c))) & kOthers) == 0;
}

std::string upper(std::string_view text) {
  return utf8(unicode(text).toUpper(icu::Locale::getRoot()));
}
std::string lower(std::string_view text) {
  return utf8(unicode(text).toLower(icu::Locale::getRoot()));
}
std::string casefolded(std::string_view text) { return utf8(unicode(text).foldCase()); }

std::string swapped_case(std::string_view text) {
  std::string out;
  for (const char32_t c : code_points(text)) {
    const std::string one = utf8_character(c);
    out += is_upper(c) ? lower(one) : is_lower(c) ? upper(one) : one;
  }
  return out;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const Utf8Step first = next_character(text);
  const std::string_view one = text.substr(0, first.num_bytes);
  // The whole is lowered, not the rest alone: whether a sigma is final depends on what is before.
  return title_character(first.character) + lower(text).substr(lower(one).size());
}

std::string titled(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (const char32_t c : code_points(text)) {
    out += in_word ? lower(utf8_character(c)) : title_character(c);
    in_word = is_upper(c) || is_lower(c) || is_title(c);
  }
  return out;
}

std::string titled_words(std::string_view text) {
  const auto is_between = [](char32_t c) {
    return is_space(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
  };
  const std::u32string all = code_points(text);
  std::string out;
  for (std::size_t at = 0; at < all.size();) {
    std::size_t end = at;
    while (end < all.size() && is_between(all[end]) == is_between(all[at])) ++end;
    const std::u32string_view word = std::u32string_view(all).substr(at, end - at);
    out += upper(utf8_of(word.substr(0, 1))) + lower(utf8_of(word.substr(1)));
    at = end;
  }
  return out;
}

std::string stripped(std::string_view text, const std::string* characters, Side side) {
  const std::u32string set = characters != nullptr ? code_points(*characters) : std::u32string();
  const auto goes = [&](char32_t c) {
    return characters == nullptr ? is_space(c) : set.find(c) != std::u32string::npos;
  };
  const std::u32string all = code_points(text);
  std::size_t begin = 0;
  std::size_t end = all.size();
  while (side != Side::kRight && begin < end && goes(all[begin])) ++begin;
  while (side != Side::kLeft && end > begin && goes(all[end - 1])) --end;
  return utf8_of(std::u32string_view(all).substr(begin, end - begin));
}

LineEnd next_line_end(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size();) {
    const Utf8Step step = next_character(text.substr(at));
    const char32_t c = step.character;
    if (c == '\r' && text.substr(at, 2) == "\r\n") return {at, 2};
    if ((c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
        c == 0x2029) {
      return {at, step.num_bytes};
    }
    at += step.num_bytes;
  }
  return {};
}

}  // namespace panal::chat::detail
