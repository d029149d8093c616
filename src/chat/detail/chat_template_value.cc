#include "chat/detail/chat_template_value.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace panal::chat::detail {
namespace {

constexpr int kMaxDepth = 64;

constexpr std::uint64_t kMaxWeight = std::uint64_t{16} << 20;

// Adds an item to a list or mapping that is being made.
template <typename Container>
void account(const TemplateValue& item, Container& container) {
  if (item.is<TemplateValue::Namespace>()) {
    throw Error(Code::kUnsupported, "a namespace cannot be put inside another value");
  }
  const int depth = item.depth() + 1;
  if (depth > kMaxDepth) {
    throw Error(Code::kResourceExhausted,
                fmt::format("values nested deeper than {} levels", kMaxDepth));
  }
  container.depth = std::max(container.depth, depth);
  container.weight += item.weight() + 1;
  if (container.weight > kMaxWeight) {
    throw Error(Code::kResourceExhausted, fmt::format("a value of more than {} bytes", kMaxWeight));
  }
}

// Python's repr(float): the shortest digits that read back, with ".0" on whole numbers.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  if (value != 0 && (size < 1e-4 || size >= 1e16)) {
    std::string text = fmt::format("{:e}", value);
    const std::string shortest = fmt::format("{}", value);
    return shortest.find('e') != std::string::npos ? shortest : text;
  }
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void print_list(const TemplateList& list, std::string& out) {
  out += list.is_tuple ? '(' : '[';
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out += ", ";
    print_repr(list.items[i], out);
  }
  if (list.is_tuple && list.items.size() == 1) out += ',';
  out += list.is_tuple ? ')' : ']';
}

void print_quoted(std::string_view text, std::string& out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (const char character : text) {
    const auto byte = std::uint8_t(character);
    if (character == quote || character == '\\') {
      out += '\\';
      out += character;
    } else if (character == '\n') {
      out += "\\n";
    } else if (character == '\r') {
      out += "\\r";
    } else if (character == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += character;
    }
  }
  out += quote;
}

void print_json_text(std::string_view text, bool ascii_only, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    const char32_t c = step.character;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += char(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
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
  if (style.indent < 0) return;
  out += '\n';
  out.append(std::size_t(style.indent) * std::size_t(level), ' ');
}

}  // namespace

const TemplateValue* TemplateMapping::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

TemplateValue TemplateValue::list(std::vector<TemplateValue> items, bool is_tuple) {
  auto made = std::make_shared<TemplateList>();
  for (const TemplateValue& item : items) account(item, *made);
  made->items = std::move(items);
  made->is_tuple = is_tuple;
  return TemplateValue(List(std::move(made)));
}

TemplateValue TemplateValue::mapping(std::vector<std::pair<std::string, TemplateValue>> items) {
  auto made = std::make_shared<TemplateMapping>();
  for (const auto& item : items) {
    made->weight += item.first.size();
    account(item.second, *made);
  }
  made->items = std::move(items);
  return TemplateValue(Mapping(std::move(made)));
}

TemplateValue TemplateValue::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return integer(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::uint64_t(INT64_MAX)) return number(json.get<double>());
      return integer(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return number(json.get<double>());
    case Json::value_t::string:
      return text(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<TemplateValue> items;
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<std::string, TemplateValue>> items;
      for (const auto& [key, value] : json.items()) items.emplace_back(key, from_json(value));
      return mapping(std::move(items));
    }
    default:
      return none();
  }
}

double TemplateValue::as_number() const {
  if (is<double>()) return *get<double>();
  return double(as_integer());
}

std::int64_t TemplateValue::as_integer() const {
  if (is<bool>()) return *get<bool>() ? 1 : 0;
  if (is<double>()) return std::int64_t(*get<double>());
  return *get<std::int64_t>();
}

bool TemplateValue::is_true() const {
  if (is_undefined() || is_none()) return false;
  if (is<double>()) return *get<double>() != 0;
  if (is_numeric()) return as_integer() != 0;
  if (const auto* value = text_or_null()) return !value->empty();
  if (const auto* value = list_or_null()) return !value->items.empty();
  if (const auto* value = mapping_or_null()) return !value->items.empty();
  return true;
}

std::string_view TemplateValue::type_name() const {
  constexpr std::string_view kNames[] = {"undefined", "None", "bool", "int",       "float",
                                         "str",       "list", "dict", "namespace", "macro"};
  return kNames[storage_.index()];
}

int TemplateValue::depth() const {
  if (const auto* value = list_or_null()) return value->depth;
  if (const auto* value = mapping_or_null()) return value->depth;
  return 0;
}

std::uint64_t TemplateValue::weight() const {
  if (const auto* value = text_or_null()) return value->size() + 1;
  if (const auto* value = list_or_null()) return value->weight;
  if (const auto* value = mapping_or_null()) return value->weight;
  return 8;
}

bool equal(const TemplateValue& a, const TemplateValue& b) {
  if (a.is_numeric() && b.is_numeric()) {
    if (!a.is<double>() && !b.is<double>()) return a.as_integer() == b.as_integer();
    return a.as_number() == b.as_number();
  }
  if (a.text_or_null() && b.text_or_null()) return *a.text_or_null() == *b.text_or_null();
  if (a.list_or_null() && b.list_or_null()) {
    const TemplateList& left = *a.list_or_null();
    const TemplateList& right = *b.list_or_null();
    return &left == &right || (left.is_tuple == right.is_tuple &&
                               std::equal(left.items.begin(), left.items.end(), right.items.begin(),
                                          right.items.end(), equal));
  }
  if (a.mapping_or_null() && b.mapping_or_null()) {
    const TemplateMapping& left = *a.mapping_or_null();
    const TemplateMapping& right = *b.mapping_or_null();
    if (&left == &right) return true;
    if (left.items.size() != right.items.size()) return false;
    return std::all_of(left.items.begin(), left.items.end(), [&](const auto& item) {
      const TemplateValue* other = right.find(item.first);
      return other != nullptr && equal(item.second, *other);
    });
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

int compare(const TemplateValue& a, const TemplateValue& b) {
  if (a.is_numeric() && b.is_numeric()) {
    const double left = a.as_number();
    const double right = b.as_number();
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (a.text_or_null() && b.text_or_null()) {
    const int order =
        a.text_or_null()->compare(*b.text_or_null());  // UTF-8 sorts like code points.
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  throw Error(Code::kInvalidArgument,
              fmt::format("cannot order {} and {}", a.type_name(), b.type_name()));
}

void print(const TemplateValue& value, std::string& out) {
  if (const auto* text = value.text_or_null()) {
    out += *text;
  } else if (!value.is_undefined()) {
    print_repr(value, out);
  }
}

void print_repr(const TemplateValue& value, std::string& out) {
  if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (value.is<bool>()) {
    out += *value.get<bool>() ? "True" : "False";
  } else if (value.is<std::int64_t>()) {
    out += std::to_string(*value.get<std::int64_t>());
  } else if (value.is<double>()) {
    out += float_text(*value.get<double>());
  } else if (const auto* text = value.text_or_null()) {
    print_quoted(*text, out);
  } else if (const auto* list = value.list_or_null()) {
    print_list(*list, out);
  } else if (const auto* mapping = value.mapping_or_null()) {
    out += '{';
    for (std::size_t i = 0; i < mapping->items.size(); ++i) {
      if (i > 0) out += ", ";
      print_quoted(mapping->items[i].first, out);
      out += ": ";
      print_repr(mapping->items[i].second, out);
    }
    out += '}';
  } else {
    throw Error(Code::kUnsupported, fmt::format("a {} cannot be printed", value.type_name()));
  }
}

void print_json(const TemplateValue& value, const JsonStyle& style, int level, std::string& out) {
  const auto* list = value.list_or_null();
  const auto* mapping = value.mapping_or_null();
  if (value.is_none()) {
    out += "null";
  } else if (value.is<bool>()) {
    out += *value.get<bool>() ? "true" : "false";
  } else if (value.is<double>() && !std::isfinite(*value.get<double>())) {
    const double number = *value.get<double>();
    out += std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
  } else if (value.is_numeric()) {
    print_repr(value, out);
  } else if (const auto* text = value.text_or_null()) {
    print_json_text(*text, style.ascii_only, out);
  } else if (list != nullptr) {
    out += '[';
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out += style.item_separator;
      new_line(style, level + 1, out);
      print_json(list->items[i], style, level + 1, out);
    }
    if (!list->items.empty()) new_line(style, level, out);
    out += ']';
  } else if (mapping != nullptr) {
    auto items = mapping->items;
    if (style.sort_keys) {
      std::sort(items.begin(), items.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out += '{';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += style.item_separator;
      new_line(style, level + 1, out);
      print_json_text(items[i].first, style.ascii_only, out);
      out += style.key_separator;
      print_json(items[i].second, style, level + 1, out);
    }
    if (!items.empty()) new_line(style, level, out);
    out += '}';
  } else {
    throw Error(Code::kInvalidArgument, fmt::format("{} has no JSON form", value.type_name()));
  }
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    out += step.character;
    text.remove_prefix(step.num_bytes);
  }
  return out;
}

std::string utf8_of(std::u32string_view characters) {
  std::string out;
  for (const char32_t character : characters) append_utf8(out, character);
  return out;
}

}  // namespace panal::chat::detail
