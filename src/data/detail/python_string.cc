#include "data/detail/python_string.h"

#include "base/utf8.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

namespace panal::data::detail {
namespace {

// str.isspace(): Zs, or bidirectional class WS, B or S.
bool is_space(char32_t character) {
  switch (character) {
    case 0x20:
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
      return true;
    default:
      return (character >= 0x09 && character <= 0x0D) || (character >= 0x1C && character <= 0x1F) ||
             (character >= 0x2000 && character <= 0x200A);
  }
}

std::size_t leading_space_bytes(std::string_view text) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Utf8Step step = next_character(text.substr(bytes));
    if (!is_space(step.character)) break;
    bytes += step.num_bytes;
  }
  return bytes;
}

}  // namespace

std::size_t trailing_space_bytes(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!is_space(next_character(text.substr(begin)).character)) break;
    end = begin;
  }
  return text.size() - end;
}

std::string_view stripped(std::string_view text) {
  text.remove_suffix(trailing_space_bytes(text));
  text.remove_prefix(leading_space_bytes(text));
  return text;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const auto unicode = [](std::string_view utf8) {
    return icu::UnicodeString::fromUTF8(
        icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())));
  };
  const std::string_view first = text.substr(0, next_character(text).num_bytes);
  icu::UnicodeString title = unicode(first), lower_first = unicode(first), lower = unicode(text);
  title.toTitle(nullptr, icu::Locale::getRoot());
  lower_first.toLower(icu::Locale::getRoot());
  // The whole is lowered, not the rest alone: whether a sigma is final depends on what is before
  // it.
  lower.toLower(icu::Locale::getRoot());
  std::string out;
  title.toUTF8String(out);
  lower.tempSubString(lower_first.length()).toUTF8String(out);
  return out;
}

}  // namespace panal::data::detail
