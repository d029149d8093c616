// Filters that give text. Like Jinja's they first write their value as text, so that None is
// "None" and something undefined is "".
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/html.h"
#include "chat/detail/builtins.h"
#include "chat/detail/formatting.h"
#include "chat/detail/text.h"
#include "chat/detail/text_search.h"

namespace panal::chat::detail {
namespace {

using I = Interpreter;
using V = Value;
using A = BoundArguments;

template <std::string (*Change)(std::string_view)>
Value changed(I& interpreter, const V& value, const A&) {
  return interpreter.make_text(Change(interpreter.printed(value)), value.is_markup());
}

Value trim(I& interpreter, const V& value, const A& arguments) {
  const std::string* characters = arguments.given(0) != nullptr ? &arguments.text(0) : nullptr;
  return interpreter.make_text(stripped(interpreter.printed(value), characters, Side::kBoth),
                               value.is_markup());
}

Value as_text(I& interpreter, const V& value, const A&) {
  return interpreter.make_text(interpreter.printed(value), value.is_markup());
}

Value safe(I& interpreter, const V& value, const A&) {
  return interpreter.make_text(interpreter.printed(value), true);
}

Value escape(I& interpreter, const V& value, const A&) {
  if (value.is_markup()) return value;
  return interpreter.make_text(escaped_html(interpreter.printed(value)), true);
}

Value escape_always(I& interpreter, const V& value, const A&) {
  return interpreter.make_text(escaped_html(interpreter.printed(value)), true);
}

Value replace(I& interpreter, const V& value, const A& arguments) {
  const std::int64_t count = arguments.given(2) != nullptr ? arguments.integer(2) : -1;
  return interpreter.make_text(replaced(interpreter, interpreter.printed(value),
                                        interpreter.printed(arguments.at(0)),
                                        interpreter.printed(arguments.at(1)), count));
}

Value center(I& interpreter, const V& value, const A& arguments) {
  const Value text = interpreter.make_text(interpreter.printed(value), value.is_markup());
  return interpreter.call_method(text, "center", {{Value::integer(arguments.integer(0, 80))}, {}});
}

const std::string& text_of(const V& value, const A& arguments) {
  if (value.is_undefined()) throw Error(Code::kInvalidArgument, value.get<Undefined>()->message);
  if (value.text_or_null() == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs a string, found {}", arguments.what(), value.type_name()));
  }
  return *value.text_or_null();
}

Value indent(I& interpreter, const V& value, const A& arguments) {
  const std::string text = text_of(value, arguments) + "\n";
  std::string margin(4, ' ');
  if (arguments.has(0) && arguments.at(0).text_or_null()) {
    margin = arguments.text(0);
  } else if (arguments.has(0)) {
    const std::int64_t width = arguments.integer(0);
    if (width > std::int64_t(kMaxTextBytes)) arguments.refuse(0, "a smaller width");
    margin.assign(std::size_t(std::max<std::int64_t>(0, width)), ' ');
  }
  const bool indents_blank = arguments.flag(2, false);
  std::string out = arguments.flag(1, false) ? margin : "";
  for (std::size_t at = 0; at < text.size();) {
    const LineEnd end = next_line_end(text, at);
    const std::string_view line = std::string_view(text).substr(at, end.at - at);
    if (at > 0) {
      out += '\n';
      if (indents_blank || !line.empty()) out += margin;
    }
    out += line;
    interpreter.charge((margin.size() + line.size()) / kBytesPerStep + 1);
    if (out.size() > kMaxTextBytes)
      throw Error(Code::kResourceExhausted, "an indented string is too long");
    at = end.at + end.num_bytes;
  }
  return interpreter.make_text(std::move(out));
}

Value truncate(I& interpreter, const V& value, const A& arguments) {
  const std::u32string all = code_points(text_of(value, arguments));
  const std::int64_t length = arguments.integer(0, 255);
  const std::u32string end = code_points(arguments.has(2) ? arguments.text(2) : "...");
  const std::int64_t leeway = arguments.given(3) != nullptr ? arguments.integer(3) : 5;
  if (length < std::int64_t(end.size())) arguments.refuse(0, "at least the length of the end");
  if (leeway < 0) arguments.refuse(3, "at least 0");
  if (std::int64_t(all.size()) <= length || std::int64_t(all.size()) - length <= leeway)
    return value;
  std::u32string kept = all.substr(0, std::size_t(length) - end.size());
  if (!arguments.flag(1, false)) kept = kept.substr(0, kept.rfind(U' '));
  return interpreter.make_text(utf8_of(kept + end));
}

Value num_words(I& interpreter, const V& value, const A&) {
  std::int64_t words = 0;
  bool in_word = false;
  for (const char32_t c : code_points(interpreter.printed(value))) {
    const bool is_word = c == '_' || is_letter(c) || is_numeric(c);
    if (is_word && !in_word) ++words;
    in_word = is_word;
  }
  return Value::integer(words);
}

std::string url_quoted(std::string_view text, bool for_query) {
  std::string out;
  for (const char c : text) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !for_query);
    if (is_plain) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", std::uint8_t(c));
    }
  }
  return out;
}

Value url_encode(I& interpreter, const V& value, const A&) {
  const Mapping* mapping = value.mapping_or_null();
  const bool is_plain = mapping == nullptr && value.list_or_null() == nullptr;
  if (is_plain) return interpreter.make_text(url_quoted(interpreter.printed(value), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& item) {
    if (!out.empty()) out += '&';
    out += url_quoted(interpreter.printed(key), true) + "=" +
           url_quoted(interpreter.printed(item), true);
  };
  if (mapping != nullptr) {
    for (const auto& [key, item] : mapping->items) add(key, item);
  } else {
    for (const Value& pair : interpreter.items_of(value)) {
      const std::vector<Value> parts = interpreter.items_of(pair);
      if (parts.size() != 2) throw Error(Code::kInvalidArgument, "urlencode needs pairs");
      add(parts[0], parts[1]);
    }
  }
  return interpreter.make_text(std::move(out));
}

Value format(I& interpreter, const V& value, const A& arguments) {
  if (!arguments.more().empty() && !arguments.more_named().empty()) {
    throw Error(Code::kInvalidArgument,
                "the filter \"format\" takes values by position or by name, not both");
  }
  std::vector<std::pair<Value, Value>> named;
  for (const auto& [name, item] : arguments.more_named())
    named.emplace_back(Value::text(name), item);
  const Value values = named.empty() ? interpreter.make_list(arguments.more(), ListKind::kTuple)
                                     : interpreter.make_mapping(std::move(named));
  interpreter.charge(values.weight() / kBytesPerStep + 1);
  return interpreter.make_text(percent_formatted(interpreter.printed(value), values));
}

constexpr Filter kFilters[] = {
    {"capitalize", "", changed<capitalized>},
    {"center", "width?", center},
    {"e", "", escape},
    {"escape", "", escape},
    {"forceescape", "", escape_always},
    {"format", "* **", format},
    {"indent", "width? first? blank?", indent},
    {"lower", "", changed<lower>},
    {"replace", "old new count?", replace},
    {"safe", "", safe},
    {"string", "", as_text},
    {"title", "", changed<titled_words>},
    {"trim", "chars?", trim},
    {"truncate", "length? killwords? end? leeway?", truncate},
    {"upper", "", changed<upper>},
    {"urlencode", "", url_encode},
    {"wordcount", "", num_words},
};

}  // namespace

std::span<const Filter> text_filters() { return kFilters; }

}  // namespace panal::chat::detail
