// Three methods of Python's str, exactly: the prompts of lm-evaluation-harness are made with them.
#pragma once

#include <string>
#include <string_view>

namespace panal::data::detail {

/// Bytes of the white space (str.isspace) that valid UTF-8 ends in.
std::size_t trailing_space_bytes(std::string_view text);
/// str.strip().
std::string_view stripped(std::string_view text);
/// str.capitalize(): the first character in title case, the others in lower case.
std::string capitalized(std::string_view text);

}  // namespace panal::data::detail
