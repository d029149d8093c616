#include "chat/detail/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

// Python's repr(float): the shortest digits that read back, with ".0" on whole numbers.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  std::string text = fmt::format("{}", value);
  const bool is_scientific = value != 0 && (size < 1e-4 || size >= 1e16);
  if (is_scientific && text.find('e') == std::string::npos) return fmt::format("{:e}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// What stands behind a backslash where repr and JSON write the character so, or 0.
char escape_letter(char32_t c, char quote) {
  switch (c) {
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return c == char32_t(quote) || c == '\\' ? char(c) : '\0';
  }
}

void print_quoted(std::string_view text, std::string& out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    const char32_t c = step.character;
    if (const char letter = escape_letter(c, quote); letter != '\0') {
      out += '\\';
      out += letter;
    } else if (is_printable(c)) {
      append_utf8(out, c);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", std::uint32_t(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", std::uint32_t(c));
    } else {
      out += fmt::format("\\U{:08x}", std::uint32_t(c));
    }
    text.remove_prefix(step.num_bytes);
  }
  out += quote;
}

void print_items(const std::vector<Value>& items, std::string& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    print_repr(items[i], out);
  }
}

void print_range(const List& list, std::string& out) {
  // A range is kept as its items; its bounds are what writes them.
  if (list.items.empty()) {
    out += "range(0, 0)";
    return;
  }
  const std::int64_t first = list.items.front().as_integer();
  const std::int64_t step =
      list.items.size() > 1 ? list.items[1].as_integer() - first : std::int64_t{1};
  const std::int64_t end = list.items.back().as_integer() + step;
  out += step == 1 ? fmt::format("range({}, {})", first, end)
                   : fmt::format("range({}, {}, {})", first, end, step);
}

void print_list(const List& list, std::string& out) {
  switch (list.kind) {
    case ListKind::kList:
      out += '[';
      print_items(list.items, out);
      out += ']';
      return;
    case ListKind::kTuple:
    case ListKind::kGroup:
      out += '(';
      print_items(list.items, out);
      out += list.items.size() == 1 ? ",)" : ")";
      return;
    case ListKind::kRange:
      print_range(list, out);
      return;
    case ListKind::kKeys:
    case ListKind::kValues:
    case ListKind::kItems:
      out += list.kind == ListKind::kKeys     ? "dict_keys(["
             : list.kind == ListKind::kValues ? "dict_values(["
                                              : "dict_items([";
      print_items(list.items, out);
      out += "])";
      return;
  }
}

void print_json_text(std::string_view text, bool ascii_only, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    const char32_t c = step.character;
    if (const char letter = escape_letter(c, '"'); letter != '\0') {
      out += '\\';
      out += letter;
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\f') {
      out += "\\f";
    } else if (c < 0x20 || (ascii_only && c > 0x7E && c < 0x10000)) {
      out += fmt::format("\\u{:04x}", std::uint32_t(c));
    } else if (ascii_only && c >= 0x10000) {
      const std::uint32_t rest = std::uint32_t(c) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      append_utf8(out, c);
    }
    text.remove_prefix(step.num_bytes);
  }
  out += '"';
}

void new_line(const JsonStyle& style, int level, std::string& out) {
  if (!style.indent) return;
  out += '\n';
  for (int i = 0; i < level; ++i) out += *style.indent;
}

void print_json_scalar(const Value& value, std::string& out) {
  if (value.is_none()) {
    out += "null";
  } else if (value.is<bool>()) {
    out += *value.get<bool>() ? "true" : "false";
  } else if (value.is<double>() && !std::isfinite(*value.get<double>())) {
    const double number = *value.get<double>();
    out += std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
  } else if (value.is_numeric()) {
    print_repr(value, out);
  } else {
    throw Error(Code::kInvalidArgument, fmt::format("{} has no JSON form", value.type_name()));
  }
}

// Keys of an object are strings in JSON; Python writes those of other simple kinds as their values.
void print_json_key(const Value& key, const JsonStyle& style, std::string& out) {
  if (const std::string* text = key.text_or_null()) {
    print_json_text(*text, style.ascii_only, out);
    return;
  }
  if (!key.is_none() && !key.is_numeric()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("a key of JSON must be a str, int, float, bool or None, found {}",
                            key.type_name()));
  }
  out += '"';
  print_json_scalar(key, out);
  out += '"';
}

void print_json_object(const Mapping& mapping, const JsonStyle& style, int level,
                       std::string& out) {
  std::vector<const std::pair<Value, Value>*> items;
  for (const auto& item : mapping.items) items.push_back(&item);
  if (style.sort_keys) {
    std::ranges::stable_sort(
        items, [](const auto* a, const auto* b) { return compare(a->first, b->first) < 0; });
  }
  out += '{';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += style.item_separator;
    new_line(style, level + 1, out);
    print_json_key(items[i]->first, style, out);
    out += style.key_separator;
    print_json(items[i]->second, style, level + 1, out);
  }
  if (!items.empty()) new_line(style, level, out);
  out += '}';
}

}  // namespace

void print(const Value& value, std::string& out) {
  if (const auto* text = value.text_or_null()) {
    out += *text;
  } else if (!value.is_undefined()) {
    print_repr(value, out);
  }
}

void print_repr(const Value& value, std::string& out) {
  if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (value.is<bool>()) {
    out += *value.get<bool>() ? "True" : "False";
  } else if (value.is_integer()) {
    out += std::to_string(*value.get<std::int64_t>());
  } else if (value.is<double>()) {
    out += float_text(*value.get<double>());
  } else if (const auto* text = value.text_or_null()) {
    if (value.is_markup()) out += "Markup(";
    print_quoted(*text, out);
    if (value.is_markup()) out += ')';
  } else if (const auto* list = value.list_or_null()) {
    print_list(*list, out);
  } else if (const auto* mapping = value.mapping_or_null()) {
    out += '{';
    for (std::size_t i = 0; i < mapping->items.size(); ++i) {
      if (i > 0) out += ", ";
      print_repr(mapping->items[i].first, out);
      out += ": ";
      print_repr(mapping->items[i].second, out);
    }
    out += '}';
  } else if (const auto* generator = value.shared<Generator>()) {
    throw Error(Code::kUnsupported,
                fmt::format("what \"{}\" gives cannot be printed before it is a list; write "
                            "\"| list\" after it",
                            generator->name));
  } else {
    throw Error(Code::kUnsupported, fmt::format("a {} cannot be printed", value.type_name()));
  }
}

void print_json(const Value& value, const JsonStyle& style, int level, std::string& out) {
  const List* list = value.list_or_null();
  const bool is_array =
      list != nullptr && (list->kind == ListKind::kList || list->kind == ListKind::kTuple ||
                          list->kind == ListKind::kGroup);
  if (const auto* text = value.text_or_null()) {
    print_json_text(*text, style.ascii_only, out);
  } else if (const Mapping* mapping = value.mapping_or_null()) {
    print_json_object(*mapping, style, level, out);
  } else if (is_array) {
    out += '[';
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out += style.item_separator;
      new_line(style, level + 1, out);
      print_json(list->items[i], style, level + 1, out);
    }
    if (!list->items.empty()) new_line(style, level, out);
    out += ']';
  } else {
    print_json_scalar(value, out);
  }
}

}  // namespace panal::chat::detail
