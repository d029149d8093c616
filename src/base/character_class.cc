#include "base/character_class.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <array>

namespace panal {
namespace {

CharacterClass class_from_icu(char32_t character) {
  const auto code = UChar32(character);
  if (u_isUWhiteSpace(code)) return CharacterClass::kSpace;
  const std::uint32_t mask = U_GET_GC_MASK(code);
  if (mask & U_GC_L_MASK) return CharacterClass::kLetter;
  if (mask & U_GC_N_MASK) return CharacterClass::kNumber;
  return CharacterClass::kOther;
}

constexpr char32_t kTableEnd = 0x10000;

}  // namespace

CharacterClass character_class(char32_t character) {
  static const auto table = [] {
    std::array<CharacterClass, kTableEnd> classes;
    for (char32_t i = 0; i < kTableEnd; ++i) classes[i] = class_from_icu(i);
    return classes;
  }();
  return character < kTableEnd ? table[character] : class_from_icu(character);
}

bool is_word_character(char32_t character) {
  const auto code = UChar32(character);
  return u_isUAlphabetic(code) || u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(code) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_spaceless(char32_t character) {
  if (character < 0x0E00) return false;  // Thai is the first of them.
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(static_cast<UChar32>(character), &error)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return true;
    default:
      return false;
  }
}

}  // namespace panal
