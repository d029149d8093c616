// The little words of each language: short lists of what grammar needs in every sentence. They
// identify a language in one sentence, where n-gram profiles need a paragraph.
#pragma once

#include <span>
#include <string_view>

namespace panal::topics::detail {

struct LanguageWords {
  std::string_view language;  // BCP 47 primary tag.
  std::string_view title;
  std::string_view
      words;  // Separated by single spaces, lower case; "" where the script says it all.
};

/// Every language known by name here, the ones with words first.
std::span<const LanguageWords> language_words();

}  // namespace panal::topics::detail
