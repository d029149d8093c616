// Methods of strings.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/builtins.h"
#include "chat/detail/formatting.h"
#include "chat/detail/text.h"
#include "chat/detail/text_search.h"

namespace panal::chat::detail {
namespace {

using I = Interpreter;
using S = std::string;
using A = BoundArguments;

template <std::string (*Change)(std::string_view)>
Value changed(I& interpreter, const S& text, const A&) {
  return interpreter.make_text(Change(text));
}

template <Side Which>
Value strip(I& interpreter, const S& text, const A& arguments) {
  const Value* characters = arguments.given(0);
  return interpreter.make_text(
      stripped(text, characters != nullptr ? &arguments.text(0) : nullptr, Which));
}

// Every character holds, and there is one.
template <bool (*Holds)(char32_t)>
Value all_are(I&, const S& text, const A&) {
  const std::u32string all = code_points(text);
  return Value::boolean(!all.empty() && std::ranges::all_of(all, Holds));
}

bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c); }

// Some character is of the wanted case, and none of another.
template <bool IsUpper>
Value has_case(I&, const S& text, const A&) {
  bool has_cased = false;
  for (const char32_t c : code_points(text)) {
    if (IsUpper ? (is_lower(c) || is_title(c)) : (is_upper(c) || is_title(c)))
      return Value::boolean(false);
    has_cased = has_cased || (IsUpper ? is_upper(c) : is_lower(c));
  }
  return Value::boolean(has_cased);
}

Value is_titled(I&, const S& text, const A&) {
  bool in_word = false;
  bool has_cased = false;
  for (const char32_t c : code_points(text)) {
    const bool is_head = is_upper(c) || is_title(c);
    const bool is_cased = is_head || is_lower(c);
    if (is_cased && is_head == in_word) return Value::boolean(false);
    in_word = is_cased;
    has_cased = has_cased || is_cased;
  }
  return Value::boolean(has_cased);
}

Value is_ascii(I&, const S& text, const A&) {
  return Value::boolean(std::ranges::all_of(text, [](char c) { return std::uint8_t(c) < 0x80; }));
}

Value is_printed(I&, const S& text, const A&) {
  return Value::boolean(std::ranges::all_of(code_points(text), is_printable));
}

Value join(I& interpreter, const S& text, const A& arguments) {
  std::string out;
  bool is_first = true;
  for (const Value& item : interpreter.items_of(arguments.at(0))) {
    if (item.text_or_null() == nullptr) {
      throw Error(Code::kInvalidArgument,
                  fmt::format("{} joins strings, found {}", arguments.what(), item.type_name()));
    }
    if (!is_first) out += text;
    is_first = false;
    interpreter.charge((text.size() + item.text_or_null()->size()) / kBytesPerStep + 1);
    out += *item.text_or_null();
    if (out.size() > kMaxTextBytes)
      throw Error(Code::kResourceExhausted, "a joined string is too long");
  }
  return interpreter.make_text(std::move(out));
}

Value replace(I& interpreter, const S& text, const A& arguments) {
  return interpreter.make_text(
      replaced(interpreter, text, arguments.text(0), arguments.text(1), arguments.integer(2, -1)));
}

template <bool IsStart>
Value has_end(I&, const S& text, const A& arguments) {
  const std::optional<std::string_view> part = part_of(text, arguments, 1);
  const auto matches = [&](const Value& each) {
    const std::string* wanted = each.text_or_null();
    if (wanted == nullptr) arguments.refuse(0, "a string or a tuple of strings");
    return part && (IsStart ? part->starts_with(*wanted) : part->ends_with(*wanted));
  };
  const List* list = arguments.at(0).list_or_null();
  if (list == nullptr) return Value::boolean(matches(arguments.at(0)));
  if (list->kind != ListKind::kTuple) arguments.refuse(0, "a string or a tuple of strings");
  return Value::boolean(std::ranges::any_of(list->items, matches));
}

template <bool FromRight, bool MustBeThere>
Value find(I& interpreter, const S& text, const A& arguments) {
  interpreter.charge(text.size() / kBytesPerStep + 1);
  const std::optional<std::string_view> part = part_of(text, arguments, 1);
  const std::string& wanted = arguments.text(0);
  const std::size_t hit = !part       ? std::string_view::npos
                          : FromRight ? part->rfind(wanted)
                                      : part->find(wanted);
  if (hit != std::string_view::npos) {
    const auto before = std::size_t(part->data() - text.data()) + hit;
    return Value::integer(std::int64_t(count_characters(std::string_view(text).substr(0, before))));
  }
  if (!MustBeThere) return Value::integer(-1);
  throw Error(Code::kInvalidArgument, fmt::format("{}: no such part", arguments.what()));
}

Value count(I& interpreter, const S& text, const A& arguments) {
  interpreter.charge(text.size() / kBytesPerStep + 1);
  const std::optional<std::string_view> part = part_of(text, arguments, 1);
  const std::string& wanted = arguments.text(0);
  if (!part) return Value::integer(0);
  if (wanted.empty()) return Value::integer(count_characters(*part) + 1);
  std::int64_t hits = 0;
  for (std::size_t at = part->find(wanted); at != std::string_view::npos;
       at = part->find(wanted, at + wanted.size())) {
    ++hits;
  }
  return Value::integer(hits);
}

template <bool FromRight>
Value partition(I& interpreter, const S& text, const A& arguments) {
  const std::string& sign = arguments.text(0);
  if (sign.empty()) arguments.refuse(0, "a string that is not empty");
  const std::size_t hit = FromRight ? text.rfind(sign) : text.find(sign);
  std::vector<Value> parts;
  if (hit != std::string::npos) {
    parts = {interpreter.make_text(text.substr(0, hit)), interpreter.make_text(sign),
             interpreter.make_text(text.substr(hit + sign.size()))};
  } else if (FromRight) {
    parts = {Value::text(""), Value::text(""), interpreter.make_text(text)};
  } else {
    parts = {interpreter.make_text(text), Value::text(""), Value::text("")};
  }
  return interpreter.make_list(std::move(parts), ListKind::kTuple);
}

Value remove_prefix(I& interpreter, const S& text, const A& arguments) {
  const std::string& part = arguments.text(0);
  return interpreter.make_text(text.starts_with(part) ? text.substr(part.size()) : text);
}

Value remove_suffix(I& interpreter, const S& text, const A& arguments) {
  const std::string& part = arguments.text(0);
  return interpreter.make_text(text.ends_with(part) ? text.substr(0, text.size() - part.size())
                                                    : text);
}

template <Side Which>
Value justified(I& interpreter, const S& text, const A& arguments) {
  const std::string filling = arguments.has(1) ? arguments.text(1) : " ";
  if (count_characters(filling) != 1) arguments.refuse(1, "one character");
  const std::int64_t missing = arguments.integer(0) - count_characters(text);
  if (missing <= 0) return interpreter.make_text(text);
  if (missing > std::int64_t(kMaxTextBytes / 4))
    throw Error(Code::kResourceExhausted, "a padded string is too long");
  // Python puts the odd one left where the width is odd.
  const std::int64_t left = Which == Side::kLeft ? 0
                            : Which == Side::kRight
                                ? missing
                                : missing / 2 + (missing & arguments.integer(0) & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += filling;
  out += text;
  for (std::int64_t i = left; i < missing; ++i) out += filling;
  return interpreter.make_text(std::move(out));
}

Value zero_filled(I& interpreter, const S& text, const A& arguments) {
  const std::int64_t missing = arguments.integer(0) - count_characters(text);
  if (missing <= 0) return interpreter.make_text(text);
  if (missing > std::int64_t(kMaxTextBytes))
    throw Error(Code::kResourceExhausted, "a padded string is too long");
  const std::size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  return interpreter.make_text(text.substr(0, sign) + std::string(std::size_t(missing), '0') +
                               text.substr(sign));
}

Value expand_tabs(I& interpreter, const S& text, const A& arguments) {
  const std::int64_t width = arguments.integer(0, 8);
  if (width > 1024) arguments.refuse(0, "at most 1024");
  std::string out;
  std::int64_t column = 0;
  for (const char32_t c : code_points(text)) {
    if (c == '\t') {
      const std::int64_t spaces = width > 0 ? width - column % width : 0;
      interpreter.charge(1);
      out.append(std::size_t(spaces), ' ');
      column += spaces;
    } else {
      append_utf8(out, c);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    if (out.size() > kMaxTextBytes)
      throw Error(Code::kResourceExhausted, "a string with expanded tabs is too long");
  }
  return interpreter.make_text(std::move(out));
}

// "0", "name", then ".attribute" and "[element]" in any number.
Value field_value(I& interpreter, std::string_view field, const A& arguments) {
  const std::size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view first = field.substr(0, end);
  Value value;
  if (const auto position = position_of(first)) {
    if (*position >= arguments.more().size())
      throw Error(Code::kInvalidArgument, fmt::format("str.format() has no argument {}", first));
    value = arguments.more()[*position];
  } else {
    const auto found =
        std::ranges::find(arguments.more_named(), first,
                          [](const auto& item) -> std::string_view { return item.first; });
    if (found == arguments.more_named().end())
      throw Error(Code::kInvalidArgument,
                  fmt::format("str.format() has no argument \"{}\"", first));
    value = found->second;
  }
  for (std::string_view rest = field.substr(end); !rest.empty();) {
    const bool is_element = rest[0] == '[';
    const std::size_t stop =
        is_element ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
    if (stop == std::string_view::npos || stop < 2)
      throw Error(Code::kInvalidArgument, "str.format() has a broken field");
    const std::string_view key = rest.substr(1, stop - 1);
    if (const auto position = is_element ? position_of(key) : std::nullopt) {
      value = interpreter.index(value, Value::integer(std::int64_t(*position)));
    } else {
      value = is_element ? interpreter.index(value, Value::text(std::string(key)))
                         : interpreter.attribute(value, key);
    }
    rest.remove_prefix(is_element ? stop + 1 : stop);
  }
  return value;
}

Value format(I& interpreter, const S& text, const A& arguments) {
  return interpreter.make_text(brace_formatted(text, [&](std::string_view field) {
    Value value = field_value(interpreter, field, arguments);
    interpreter.charge(value.weight() / kBytesPerStep + 1);
    return value;
  }));
}

constexpr TextMethod kMethods[] = {
    {"capitalize", "", changed<capitalized>},
    {"casefold", "", changed<casefolded>},
    {"center", "width fillchar? /", justified<Side::kBoth>},
    {"count", "sub start? end? /", count},
    {"endswith", "suffix start? end? /", has_end<false>},
    {"expandtabs", "tabsize?", expand_tabs},
    {"find", "sub start? end? /", find<false, false>},
    {"format", "* **", format},
    {"index", "sub start? end? /", find<false, true>},
    {"isalnum", "", all_are<is_letter_or_number>},
    {"isalpha", "", all_are<is_letter>},
    {"isascii", "", is_ascii},
    {"isdecimal", "", all_are<is_decimal>},
    {"isdigit", "", all_are<is_digit>},
    {"islower", "", has_case<false>},
    {"isnumeric", "", all_are<is_numeric>},
    {"isprintable", "", is_printed},
    {"isspace", "", all_are<is_space>},
    {"istitle", "", is_titled},
    {"isupper", "", has_case<true>},
    {"join", "iterable /", join},
    {"ljust", "width fillchar? /", justified<Side::kLeft>},
    {"lower", "", changed<lower>},
    {"lstrip", "chars? /", strip<Side::kLeft>},
    {"partition", "sep /", partition<false>},
    {"removeprefix", "prefix /", remove_prefix},
    {"removesuffix", "suffix /", remove_suffix},
    {"replace", "old new count? /", replace},
    {"rfind", "sub start? end? /", find<true, false>},
    {"rindex", "sub start? end? /", find<true, true>},
    {"rjust", "width fillchar? /", justified<Side::kRight>},
    {"rpartition", "sep /", partition<true>},
    {"rsplit", "sep? maxsplit?", split_from_right},
    {"rstrip", "chars? /", strip<Side::kRight>},
    {"split", "sep? maxsplit?", split_from_left},
    {"splitlines", "keepends?", split_lines},
    {"startswith", "prefix start? end? /", has_end<true>},
    {"strip", "chars? /", strip<Side::kBoth>},
    {"swapcase", "", changed<swapped_case>},
    {"title", "", changed<titled>},
    {"upper", "", changed<upper>},
    {"zfill", "width /", zero_filled},
};

}  // namespace

const TextMethod* find_text_method(std::string_view name) {
  const auto* found = std::ranges::find(kMethods, name, &TextMethod::name);
  return found != std::end(kMethods) ? found : nullptr;
}

}  // namespace panal::chat::detail
