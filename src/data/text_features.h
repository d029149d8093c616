// Words as the partitioner and the router see them: lower-case, without digits and punctuation,
// identifiers of programs taken apart, so that a question ("parse a date") meets the code that
// answers it (parse_date).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace panal::data {

/// Reads the code point at `offset` and moves past it; a byte that is not UTF-8 counts as U+FFFD.
char32_t next_code_point(std::string_view text, std::size_t& offset);
void append_utf8(std::string& text, char32_t code_point);

/// Calls `visit` for each word, in lower case (Unicode simple mapping). A word is a run of letters
/// and marks; "parse_date", "parseDate" and "don't" are two each. Scripts without spaces (Han,
/// kana, Thai) give pairs of neighbouring characters. Words over 32 letters are cut. The view is
/// valid during the call only.
void for_each_word(std::string_view text, const std::function<void(std::string_view)>& visit);
std::vector<std::string> words_of(std::string_view text);

}  // namespace panal::data
