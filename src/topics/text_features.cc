#include "topics/text_features.h"
#include "base/utf8.h"

#include <unicode/uchar.h>

#include "base/character_class.h"
#include "base/utf8.h"

namespace panal::topics {
namespace {

constexpr int kMaxWordLetters = 32;

bool is_mark(char32_t c) {
  const auto type = u_charType(static_cast<UChar32>(c));
  return type == U_NON_SPACING_MARK || type == U_COMBINING_SPACING_MARK;
}

struct Letter {
  char32_t lower = 0;
  bool is_letter = false;
  bool is_upper = false;
};

Letter letter_of(char32_t c) {
  if (c < 0x80) {
    if (c >= 'a' && c <= 'z') return {c, true, false};
    if (c >= 'A' && c <= 'Z') return {c + 32, true, true};
    return {c, false, false};
  }
  const auto point = static_cast<UChar32>(c);
  if (u_isalpha(point) == 0 && !is_mark(c)) return {c, false, false};
  return {static_cast<char32_t>(u_tolower(point)), true, u_isupper(point) != 0};
}

}  // namespace

void for_each_word(std::string_view text, const std::function<void(std::string_view)>& visit) {
  std::string word;
  int num_letters = 0;
  bool last_is_lower = false;
  char32_t last_spaceless = 0;
  const auto finish = [&] {
    if (num_letters > 0) visit(word);
    word.clear();
    num_letters = 0;
    last_is_lower = false;
  };
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    text.remove_prefix(step.num_bytes);
    const char32_t c = step.character;
    const Letter letter = letter_of(c);
    if (letter.is_letter && is_spaceless(c)) {
      finish();
      if (last_spaceless != 0) {
        std::string pair;
        append_utf8(pair, last_spaceless);
        append_utf8(pair, c);
        visit(pair);
      }
      last_spaceless = c;
      continue;
    }
    last_spaceless = 0;
    if (!letter.is_letter || num_letters >= kMaxWordLetters) {
      finish();
      if (!letter.is_letter) continue;
    }
    if (letter.is_upper && last_is_lower) finish();
    append_utf8(word, letter.lower);
    ++num_letters;
    last_is_lower = !letter.is_upper;
  }
  finish();
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for_each_word(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

}  // namespace panal::topics
