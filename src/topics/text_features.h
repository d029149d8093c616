// Words as the partitioner and the router see them: lower-case, without digits and punctuation,
// identifiers of programs taken apart, so that a question ("parse a date") meets the code that
// answers it (parse_date).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace panal::topics {

/// Calls `visit` for each word, in lower case (Unicode simple mapping). A word is a run of letters
/// and marks; "parse_date", "parseDate" and "don't" are two each. Scripts without spaces (Han,
/// kana, Thai) give pairs of neighbouring characters. Words over 32 letters are cut. The view is
/// valid during the call only.
void for_each_word(std::string_view text, const std::function<void(std::string_view)>& visit);
std::vector<std::string> words_of(std::string_view text);

}  // namespace panal::topics
