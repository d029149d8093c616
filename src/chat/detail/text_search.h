// Searching, cutting and replacing in strings, with Python's rules for ranges and limits.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chat/detail/interpreter.h"

namespace panal::chat::detail {

/// Strings that are being made stop here.
constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;

/// text[start:end] as the arguments at `position` and the one after it say; nothing when the start
/// is past the end of the text, where not even "" is found.
std::optional<std::string_view> part_of(std::string_view text, const BoundArguments& arguments,
                                        std::size_t position);
/// str.replace(); `count` below 0 is all.
std::string replaced(Interpreter& interpreter, std::string_view text, std::string_view old_text,
                     std::string_view new_text, std::int64_t count);

Value split_from_left(Interpreter& interpreter, const std::string& text,
                      const BoundArguments& arguments);
Value split_from_right(Interpreter& interpreter, const std::string& text,
                       const BoundArguments& arguments);
Value split_lines(Interpreter& interpreter, const std::string& text,
                  const BoundArguments& arguments);

/// A name that is all digits, as the number it is; nothing for other names and over 18 digits.
std::optional<std::size_t> position_of(std::string_view name);

}  // namespace panal::chat::detail
