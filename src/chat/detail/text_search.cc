#include "chat/detail/text_search.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

// Where the character at `position` begins.
std::size_t byte_of(std::string_view text, std::int64_t position) {
  std::size_t at = 0;
  for (; position > 0 && at < text.size(); --position)
    at += next_character(text.substr(at)).num_bytes;
  return at;
}

// Words between white space, at most `left` cuts, from the left. What is left then keeps the space
// at its end.
std::vector<std::u32string> words_of(std::u32string_view all, std::int64_t left) {
  std::vector<std::u32string> words;
  for (std::size_t at = 0;;) {
    while (at < all.size() && is_space(all[at])) ++at;
    if (at == all.size()) return words;
    std::size_t end = at;
    if (left == 0) {
      words.emplace_back(all.substr(at));
      return words;
    }
    while (end < all.size() && !is_space(all[end])) ++end;
    words.emplace_back(all.substr(at, end - at));
    --left;
    at = end;
  }
}

Value split_by_space(Interpreter& interpreter, const std::string& text, std::int64_t limit,
                     bool from_right) {
  std::u32string all = code_points(text);
  if (from_right) std::ranges::reverse(all);
  std::vector<std::u32string> words = words_of(all, limit);
  if (from_right) {
    std::ranges::reverse(words);
    for (std::u32string& word : words) std::ranges::reverse(word);
  }
  std::vector<Value> parts;
  for (const std::u32string& word : words) parts.push_back(interpreter.make_text(utf8_of(word)));
  return interpreter.make_list(std::move(parts));
}

Value split(Interpreter& interpreter, const std::string& text, const BoundArguments& arguments,
            bool from_right) {
  std::int64_t left = arguments.integer(1, -1);
  if (arguments.given(0) == nullptr) return split_by_space(interpreter, text, left, from_right);
  const std::string& sign = arguments.text(0);
  if (sign.empty()) arguments.refuse(0, "a string that is not empty");
  std::vector<Value> parts;
  std::string_view rest = text;
  for (; left != 0; --left) {
    const std::size_t hit = from_right ? rest.rfind(sign) : rest.find(sign);
    if (hit == std::string_view::npos) break;
    if (from_right) {
      parts.push_back(interpreter.make_text(std::string(rest.substr(hit + sign.size()))));
      rest = rest.substr(0, hit);
    } else {
      parts.push_back(interpreter.make_text(std::string(rest.substr(0, hit))));
      rest.remove_prefix(hit + sign.size());
    }
  }
  parts.push_back(interpreter.make_text(std::string(rest)));
  if (from_right) std::ranges::reverse(parts);
  return interpreter.make_list(std::move(parts));
}

}  // namespace

std::optional<std::string_view> part_of(std::string_view text, const BoundArguments& arguments,
                                        std::size_t position) {
  if (arguments.given(position) == nullptr && arguments.given(position + 1) == nullptr) return text;
  const auto size = count_characters(text);
  const auto place = [&](std::size_t which, std::int64_t fallback) {
    if (arguments.given(which) == nullptr) return fallback;
    const std::int64_t at = arguments.integer(which);
    return at < 0 ? std::max<std::int64_t>(0, at + size) : at;
  };
  const std::int64_t start = place(position, 0);
  const std::int64_t end = std::min(place(position + 1, size), size);
  if (start > size || start > end) return std::nullopt;
  const std::size_t first = byte_of(text, start);
  return text.substr(first, byte_of(text, end) - first);
}

std::string replaced(Interpreter& interpreter, std::string_view text, std::string_view old_text,
                     std::string_view new_text, std::int64_t count) {
  std::string out;
  const auto add = [&](std::string_view part) {
    out += part;
    if (out.size() > kMaxTextBytes)
      throw Error(Code::kResourceExhausted, "a replaced string is too long");
  };
  interpreter.charge(text.size() / kBytesPerStep + 1);
  std::size_t at = 0;
  while (count != 0) {
    const std::size_t hit = text.find(old_text, at);
    if (hit == std::string_view::npos) break;
    add(text.substr(at, hit - at));
    add(new_text);
    interpreter.charge(1);
    at = hit + old_text.size();
    --count;
    if (old_text.empty()) {  // Python puts the new text between all characters.
      if (at >= text.size()) return out;
      const std::size_t step = next_character(text.substr(at)).num_bytes;
      add(text.substr(at, step));
      at += step;
    }
  }
  add(text.substr(at));
  return out;
}

Value split_from_left(Interpreter& interpreter, const std::string& text,
                      const BoundArguments& arguments) {
  return split(interpreter, text, arguments, false);
}

Value split_from_right(Interpreter& interpreter, const std::string& text,
                       const BoundArguments& arguments) {
  return split(interpreter, text, arguments, true);
}

Value split_lines(Interpreter& interpreter, const std::string& text,
                  const BoundArguments& arguments) {
  const bool keeps_ends = arguments.flag(0, false);
  std::vector<Value> lines;
  for (std::size_t at = 0; at < text.size();) {
    const LineEnd end = next_line_end(text, at);
    const std::size_t stop = std::min(end.at, text.size());
    lines.push_back(
        interpreter.make_text(text.substr(at, stop - at + (keeps_ends ? end.num_bytes : 0))));
    at = stop + end.num_bytes;
  }
  return interpreter.make_list(std::move(lines));
}

std::optional<std::size_t> position_of(std::string_view name) {
  constexpr std::size_t kMaxDigits = 18;
  const bool is_number = !name.empty() && name.size() <= kMaxDigits &&
                         std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return std::nullopt;
  return std::stoull(std::string(name));
}

}  // namespace panal::chat::detail
