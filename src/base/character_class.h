// Unicode's general categories as the pre-tokenizers need them: letter, number, white space, or
// something else.
#pragma once

#include <cstdint>

namespace panal {

enum class CharacterClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };

/// Letters are \p{L}, numbers \p{N}, space is the property White_Space. Thread-safe; a table
/// look-up in the basic plane.
CharacterClass character_class(char32_t character);
/// \w of Unicode regular expressions: alphabetic, mark, decimal digit, connector punctuation,
/// joiner.
bool is_word_character(char32_t character);
/// Of a script that is written without spaces between words: Han, kana, Thai, Lao, Khmer, Myanmar.
bool is_spaceless(char32_t character);

}  // namespace panal
