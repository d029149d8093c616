// How much a text looks like a program, line by line, and in which programming language.
#pragma once

#include <string>
#include <string_view>

namespace panal::topics::detail {

struct CodeGuess {
  double share =
      0;  // Of the non-blank lines, how many look like code; comment lines count half. 0 to 1.
  std::string language;  // "code:python", ..., "code:other" when nothing tells.
};

CodeGuess guess_code(std::string_view text);
/// "Python" for "code:python"; "" for what is not known.
std::string_view code_language_title(std::string_view language);

}  // namespace panal::topics::detail
