// Filters, tests and methods of chat templates, with Python's and Jinja's results.
#include <fmt/format.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>

#include "base/character_class.h"
#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/chat_template_interpreter.h"

namespace panal::chat::detail {
namespace {

using Value = TemplateValue;
using Arguments = TemplateArguments;
using Interpreter = TemplateInterpreter;

constexpr std::size_t kBytesPerStep = 64;

[[noreturn]] void refuse(std::string_view name, std::string_view wanted, const Value& found) {
  throw Error(Code::kInvalidArgument,
              fmt::format("{} needs {}, found {}", name, wanted, found.type_name()));
}

const std::string& text_of(std::string_view name, const Value& value) {
  if (value.text_or_null() == nullptr) refuse(name, "a string", value);
  return *value.text_or_null();
}

const Value& required(std::string_view name, const Arguments& arguments, std::size_t position,
                      std::string_view key) {
  const Value* found = arguments.find(position, key);
  if (found == nullptr) {
    throw Error(Code::kInvalidArgument, fmt::format("{} needs the argument \"{}\"", name, key));
  }
  return *found;
}

std::int64_t integer_of(std::string_view name, const Value& value) {
  if (!value.is_numeric() || value.is<double>()) refuse(name, "an integer", value);
  return value.as_integer();
}

// Python also counts the four separators U+001C to U+001F as white space.
bool is_python_space(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || character_class(c) == CharacterClass::kSpace;
}

enum class Side { kBoth, kLeft, kRight };

std::string stripped(std::string_view text, const Value* characters, Side side) {
  const std::u32string set = characters != nullptr && characters->text_or_null() != nullptr
                                 ? code_points(*characters->text_or_null())
                                 : std::u32string();
  const bool strips_space = characters == nullptr || characters->text_or_null() == nullptr;
  const auto is_stripped = [&](char32_t c) {
    return strips_space ? is_python_space(c) : set.find(c) != std::u32string::npos;
  };
  const std::u32string all = code_points(text);
  std::size_t begin = 0;
  std::size_t end = all.size();
  while (side != Side::kRight && begin < end && is_stripped(all[begin])) ++begin;
  while (side != Side::kLeft && end > begin && is_stripped(all[end - 1])) --end;
  return utf8_of(std::u32string_view(all).substr(begin, end - begin));
}

std::string mapped(std::string_view text, UChar32 (*change)(UChar32)) {
  std::string out;
  for (const char32_t c : code_points(text)) append_utf8(out, char32_t(change(UChar32(c))));
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  for (const char32_t c : code_points(text)) {
    if (c == 0xDF) {
      out += "SS";  // The one common letter that grows.
    } else {
      append_utf8(out, char32_t(u_toupper(UChar32(c))));
    }
  }
  return out;
}

std::string lower(std::string_view text) { return mapped(text, u_tolower); }

std::string capitalized(std::string_view text) {
  const Utf8Step first = next_character(text);
  return upper(text.substr(0, first.num_bytes)) + lower(text.substr(first.num_bytes));
}

std::string titled(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (const char32_t c : code_points(text)) {
    append_utf8(out, char32_t(in_word ? u_tolower(UChar32(c)) : u_toupper(UChar32(c))));
    in_word = character_class(c) == CharacterClass::kLetter;
  }
  return out;
}

std::string replaced(Interpreter& interpreter, std::string_view text, std::string_view old_text,
                     std::string_view new_text, std::int64_t count) {
  constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  std::string out;
  const auto add = [&](std::string_view part) {
    out += part;
    if (out.size() > kMaxBytes)
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

Value split(Interpreter& interpreter, const std::string& text, const Arguments& arguments) {
  const Value* separator = arguments.find(0, "sep");
  const Value* limit = arguments.find(1, "maxsplit");
  std::int64_t left = limit != nullptr ? integer_of("split", *limit) : -1;
  std::vector<Value> parts;
  std::string_view rest = text;
  if (separator == nullptr || separator->is_none()) {
    std::u32string all = code_points(text);
    std::size_t at = 0;
    while (true) {
      while (at < all.size() && is_python_space(all[at])) ++at;
      if (at == all.size()) break;
      std::size_t end = at;
      if (left == 0) {
        end = all.size();
        while (is_python_space(all[end - 1])) --end;
      } else {
        while (end < all.size() && !is_python_space(all[end])) ++end;
      }
      parts.push_back(
          interpreter.make_text(utf8_of(std::u32string_view(all).substr(at, end - at))));
      if (left == 0) break;
      --left;
      at = end;
    }
    return interpreter.make_list(std::move(parts));
  }
  const std::string& sign = text_of("split", *separator);
  if (sign.empty()) throw Error(Code::kInvalidArgument, "split by an empty string");
  for (; left != 0; --left) {
    const std::size_t hit = rest.find(sign);
    if (hit == std::string_view::npos) break;
    parts.push_back(interpreter.make_text(std::string(rest.substr(0, hit))));
    rest.remove_prefix(hit + sign.size());
  }
  parts.push_back(interpreter.make_text(std::string(rest)));
  return interpreter.make_list(std::move(parts));
}

Value split_lines(Interpreter& interpreter, const std::string& text) {
  std::vector<Value> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find_first_of("\r\n", at);
    if (end == std::string::npos) end = text.size();
    lines.push_back(interpreter.make_text(text.substr(at, end - at)));
    at = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return interpreter.make_list(std::move(lines));
}

bool has_end(const std::string& name, const std::string& text, const Arguments& arguments) {
  const Value& wanted = required(name, arguments, 0, "prefix");
  const auto matches = [&](const Value& each) {
    const std::string& part = text_of(name, each);
    return name == "startswith" ? text.starts_with(part) : text.ends_with(part);
  };
  if (const TemplateList* list = wanted.list_or_null()) {
    return std::any_of(list->items.begin(), list->items.end(), matches);
  }
  return matches(wanted);
}

bool all_are(std::string_view text, bool (*holds)(char32_t)) {
  const std::u32string all = code_points(text);
  return !all.empty() && std::all_of(all.begin(), all.end(), holds);
}

Value pairs_of(Interpreter& interpreter, const TemplateMapping& mapping) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : mapping.items) {
    pairs.push_back(Value::list({Value::text(key), value}, true));
  }
  return interpreter.make_list(std::move(pairs));
}

std::size_t length_of(std::string_view name, const Value& value) {
  if (const auto* text = value.text_or_null()) return code_points(*text).size();
  if (const auto* list = value.list_or_null()) return list->items.size();
  if (const auto* mapping = value.mapping_or_null()) return mapping->items.size();
  if (value.is_undefined()) return 0;
  refuse(name, "something with a length", value);
}

// "a.b" of a value, as the attribute arguments of filters name it.
Value attribute_path(Interpreter& interpreter, Value value, std::string_view path) {
  while (true) {
    const std::size_t dot = path.find('.');
    value = interpreter.attribute(value, path.substr(0, dot));
    if (dot == std::string_view::npos) return value;
    path.remove_prefix(dot + 1);
  }
}

Arguments rest_of(const Arguments& arguments, std::size_t first) {
  Arguments rest;
  if (arguments.values.size() > first) {
    rest.values.assign(arguments.values.begin() + std::ptrdiff_t(first), arguments.values.end());
  }
  return rest;
}

// select, reject, selectattr, rejectattr.
Value selected(Interpreter& interpreter, std::string_view name, const Value& value,
               const Arguments& arguments) {
  const bool keeps = name.starts_with("select");
  const bool by_attribute = name.ends_with("attr");
  const std::size_t first = by_attribute ? 1 : 0;
  const std::string path =
      by_attribute ? text_of(name, required(name, arguments, 0, "attribute")) : "";
  std::vector<Value> kept;
  for (const Value& item : interpreter.items_of(value)) {
    const Value subject = by_attribute ? attribute_path(interpreter, item, path) : item;
    bool holds = subject.is_true();
    if (arguments.values.size() > first) {
      holds = interpreter.apply_test(text_of(name, arguments.values[first]), subject,
                                     rest_of(arguments, first + 1));
    }
    if (holds == keeps) kept.push_back(item);
  }
  return interpreter.make_list(std::move(kept));
}

Value mapped_items(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  std::vector<Value> out;
  const Value* path = arguments.values.empty() ? arguments.find(0, "attribute") : nullptr;
  const Value* fallback = arguments.values.empty() ? arguments.find(1, "default") : nullptr;
  for (const Value& item : interpreter.items_of(value)) {
    if (path != nullptr) {
      Value found = path->text_or_null() != nullptr
                        ? attribute_path(interpreter, item, *path->text_or_null())
                        : Value::undefined("map");
      if (found.is_undefined() && fallback != nullptr) found = *fallback;
      out.push_back(std::move(found));
    } else {
      const std::string& filter = text_of("map", required("map", arguments, 0, "filter"));
      if (filter == "map" || filter.starts_with("select") || filter.starts_with("reject")) {
        throw Error(Code::kUnsupported, "map of " + filter);
      }
      out.push_back(interpreter.apply_filter(filter, item, rest_of(arguments, 1)));
    }
  }
  return interpreter.make_list(std::move(out));
}

Value sorted(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  std::vector<Value> items = interpreter.items_of(value);
  const Value* reverse = arguments.find(0, "reverse");
  const Value* is_case_sensitive = arguments.find(1, "case_sensitive");
  const Value* path = arguments.find(2, "attribute");
  const bool folds = is_case_sensitive == nullptr || !is_case_sensitive->is_true();
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value key = path != nullptr ? attribute_path(interpreter, item, text_of("sort", *path)) : item;
    if (folds && key.text_or_null() != nullptr)
      key = interpreter.make_text(lower(*key.text_or_null()));
    keyed.emplace_back(std::move(key), std::move(item));
  }
  interpreter.charge(keyed.size() * 20);
  const bool is_down = reverse != nullptr && reverse->is_true();
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return is_down ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0;
  });
  items.clear();
  for (auto& pair : keyed) items.push_back(std::move(pair.second));
  return interpreter.make_list(std::move(items));
}

Value unique_items(Interpreter& interpreter, const Value& value) {
  std::vector<Value> out;
  for (const Value& item : interpreter.items_of(value)) {
    interpreter.charge(out.size() * (item.weight() / kBytesPerStep + 1));
    if (std::none_of(out.begin(), out.end(),
                     [&](const Value& seen) { return equal(seen, item); })) {
      out.push_back(item);
    }
  }
  return interpreter.make_list(std::move(out));
}

Value extreme(Interpreter& interpreter, const Value& value, int wanted_order) {
  const std::vector<Value> items = interpreter.items_of(value);
  if (items.empty()) return Value::undefined("min or max of nothing");
  const Value* best = &items[0];
  for (const Value& item : items) {
    if (compare(item, *best) == wanted_order) best = &item;
  }
  return *best;
}

Value joined(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value* separator = arguments.find(0, "d");
  const Value* path = arguments.find(1, "attribute");
  const std::string between = separator != nullptr ? interpreter.printed(*separator) : "";
  std::string out;
  bool is_first = true;
  for (const Value& item : interpreter.items_of(value)) {
    if (!is_first) out += between;
    is_first = false;
    interpreter.charge(between.size() / kBytesPerStep + 1);
    out += interpreter.printed(
        path != nullptr ? attribute_path(interpreter, item, text_of("join", *path)) : item);
  }
  return interpreter.make_text(std::move(out));
}

Value to_json(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  constexpr std::int64_t kMaxIndent = 32;
  JsonStyle style;
  if (const Value* ascii = arguments.find(0, "ensure_ascii")) style.ascii_only = ascii->is_true();
  if (const Value* indent = arguments.find(1, "indent"); indent != nullptr && !indent->is_none()) {
    style.indent = int(std::clamp<std::int64_t>(integer_of("tojson", *indent), 0, kMaxIndent));
    style.item_separator = ",";
  }
  if (const Value* separators = arguments.find(2, "separators");
      separators && !separators->is_none()) {
    const std::vector<Value> pair = interpreter.items_of(*separators);
    if (pair.size() != 2) throw Error(Code::kInvalidArgument, "tojson needs two separators");
    style.item_separator = text_of("tojson", pair[0]);
    style.key_separator = text_of("tojson", pair[1]);
  }
  if (const Value* sort = arguments.find(3, "sort_keys")) style.sort_keys = sort->is_true();
  // Each value may bring two separators and an indented line.
  const std::size_t per_item =
      1 + style.item_separator.size() + style.key_separator.size() +
      std::size_t(std::max(0, style.indent)) * std::size_t(value.depth() + 1);
  interpreter.charge(value.weight() / kBytesPerStep * per_item + 1);
  std::string out;
  print_json(value, style, 0, out);
  return interpreter.make_text(std::move(out));
}

Value to_integer(const Value& value) {
  if (value.is<double>() && !(std::abs(*value.get<double>()) < 9e18)) return Value::integer(0);
  if (value.is_numeric()) return Value::integer(value.as_integer());
  std::int64_t parsed = 0;
  if (const auto* text = value.text_or_null()) {
    const std::string plain = stripped(*text, nullptr, Side::kBoth);
    if (std::from_chars(plain.data(), plain.data() + plain.size(), parsed).ec != std::errc())
      parsed = 0;
  }
  return Value::integer(parsed);
}

Value to_number(const Value& value) {
  if (value.is_numeric()) return Value::number(value.as_number());
  double parsed = 0;
  if (const auto* text = value.text_or_null()) {
    const std::string plain = stripped(*text, nullptr, Side::kBoth);
    if (std::from_chars(plain.data(), plain.data() + plain.size(), parsed).ec != std::errc())
      parsed = 0;
  }
  return Value::number(parsed);
}

Value first_or_last(Interpreter& interpreter, std::string_view name, const Value& value) {
  const std::vector<Value> items = interpreter.items_of(value);
  if (items.empty()) return Value::undefined(fmt::format("the {} of nothing", name));
  return name == "first" ? items.front() : items.back();
}

Value reversed(Interpreter& interpreter, const Value& value) {
  if (const auto* text = value.text_or_null()) {
    std::u32string all = code_points(*text);
    std::reverse(all.begin(), all.end());
    return interpreter.make_text(utf8_of(all));
  }
  std::vector<Value> items = interpreter.items_of(value);
  std::reverse(items.begin(), items.end());
  return interpreter.make_list(std::move(items));
}

Value summed(Interpreter& interpreter, const Value& value) {
  double total = 0;
  bool is_float = false;
  for (const Value& item : interpreter.items_of(value)) {
    if (!item.is_numeric()) refuse("sum", "numbers", item);
    is_float = is_float || item.is<double>();
    total += item.as_number();
  }
  return is_float || std::abs(total) > 9e15 ? Value::number(total)
                                            : Value::integer(std::int64_t(total));
}

// Jinja's indent: every line but the first, blank lines left alone.
Value indented(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value* width = arguments.find(0, "width");
  const Value* first = arguments.find(1, "first");
  std::string margin(4, ' ');
  if (width != nullptr && width->text_or_null() != nullptr) {
    margin = *width->text_or_null();
  } else if (width != nullptr) {
    margin.assign(std::size_t(std::clamp<std::int64_t>(integer_of("indent", *width), 0, 64)), ' ');
  }
  const std::string text = interpreter.printed(value);
  std::string out = first != nullptr && first->is_true() ? margin : "";
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '\n' || i + 1 == text.size() || text[i + 1] == '\n') continue;
    interpreter.charge(margin.size() / kBytesPerStep + 1);
    out += margin;
  }
  return interpreter.make_text(std::move(out));
}

Value rounded(const Value& value, const Arguments& arguments) {
  if (!value.is_numeric()) refuse("round", "a number", value);
  const Value* precision = arguments.find(0, "precision");
  const double scale =
      std::pow(10.0, precision != nullptr ? double(integer_of("round", *precision)) : 0.0);
  return Value::number(std::nearbyint(value.as_number() * scale) / scale);
}

Value with_default(const Value& value, const Arguments& arguments) {
  const Value* fallback = arguments.find(0, "default_value");
  const Value* for_false = arguments.find(1, "boolean");
  const bool is_missing =
      value.is_undefined() || (for_false && for_false->is_true() && !value.is_true());
  if (!is_missing) return value;
  return fallback != nullptr ? *fallback : Value::text("");
}

using Filter = std::function<Value(Interpreter&, const Value&, const Arguments&)>;

Filter on_text(std::string (*change)(std::string_view)) {
  return [change](Interpreter& interpreter, const Value& value, const Arguments&) {
    return interpreter.make_text(change(interpreter.printed(value)));
  };
}

const std::map<std::string, Filter, std::less<>>& filters() {
  using I = Interpreter;
  using V = Value;
  using A = Arguments;
  static const std::map<std::string, Filter, std::less<>> table = {
      {"trim",
       [](I& i, const V& v, const A& a) {
         return i.make_text(stripped(i.printed(v), a.find(0, "chars"), Side::kBoth));
       }},
      {"tojson", to_json},
      {"length",
       [](I& i, const V& v, const A&) {
         i.charge(v.weight() / kBytesPerStep + 1);
         return V::integer(std::int64_t(length_of("length", v)));
       }},
      {"upper", on_text(upper)},
      {"lower", on_text(lower)},
      {"title", on_text(titled)},
      {"capitalize", on_text(capitalized)},
      {"default", [](I&, const V& v, const A& a) { return with_default(v, a); }},
      {"join", joined},
      {"replace",
       [](I& i, const V& v, const A& a) {
         const V* count = a.find(2, "count");
         const std::int64_t limit = count && !count->is_none() ? integer_of("replace", *count) : -1;
         return i.make_text(replaced(i, i.printed(v),
                                     text_of("replace", required("replace", a, 0, "old")),
                                     text_of("replace", required("replace", a, 1, "new")), limit));
       }},
      {"first", [](I& i, const V& v, const A&) { return first_or_last(i, "first", v); }},
      {"last", [](I& i, const V& v, const A&) { return first_or_last(i, "last", v); }},
      {"list", [](I& i, const V& v, const A&) { return i.make_list(i.items_of(v)); }},
      {"string", [](I& i, const V& v, const A&) { return i.make_text(i.printed(v)); }},
      {"int", [](I&, const V& v, const A&) { return to_integer(v); }},
      {"float", [](I&, const V& v, const A&) { return to_number(v); }},
      {"round", [](I&, const V& v, const A& a) { return rounded(v, a); }},
      {"abs",
       [](I&, const V& v, const A&) {
         if (!v.is_numeric()) refuse("abs", "a number", v);
         if (v.is<double>()) return V::number(std::abs(v.as_number()));
         return V::integer(v.as_integer() < 0 ? std::int64_t(0 - std::uint64_t(v.as_integer()))
                                              : v.as_integer());
       }},
      {"reverse", [](I& i, const V& v, const A&) { return reversed(i, v); }},
      {"sort", sorted},
      {"unique", [](I& i, const V& v, const A&) { return unique_items(i, v); }},
      {"min", [](I& i, const V& v, const A&) { return extreme(i, v, -1); }},
      {"max", [](I& i, const V& v, const A&) { return extreme(i, v, 1); }},
      {"sum", [](I& i, const V& v, const A&) { return summed(i, v); }},
      {"map", mapped_items},
      {"items",
       [](I& i, const V& v, const A&) {
         if (v.is_undefined()) return i.make_list({});
         if (v.mapping_or_null() == nullptr) refuse("items", "a mapping", v);
         return pairs_of(i, *v.mapping_or_null());
       }},
      {"dictsort",
       [](I& i, const V& v, const A&) {
         if (v.mapping_or_null() == nullptr) refuse("dictsort", "a mapping", v);
         auto items = v.mapping_or_null()->items;
         std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
           return lower(a.first) < lower(b.first);
         });
         return pairs_of(i, *V::mapping(std::move(items)).mapping_or_null());
       }},
      {"indent", indented},
      {"safe", [](I&, const V& v, const A&) { return v; }},
  };
  return table;
}

bool is_same_kind(const Value& a, const Value& b) {
  return a.type_name() == b.type_name() && (a.is_none() || a.is<bool>()) && equal(a, b);
}

}  // namespace

Value Interpreter::apply_filter(std::string_view name, const Value& value,
                                const Arguments& arguments) {
  if (name == "d") name = "default";
  if (name == "count") name = "length";
  if (name.starts_with("select") || name.starts_with("reject")) {
    const std::string_view rest = name.substr(6);
    if (rest.empty() || rest == "attr") return selected(*this, name, value, arguments);
  }
  const auto found = filters().find(name);
  if (found == filters().end()) {
    throw Error(Code::kUnsupported, fmt::format("the filter \"{}\" is not known here", name));
  }
  return found->second(*this, value, arguments);
}

bool Interpreter::apply_test(std::string_view name, const Value& value,
                             const Arguments& arguments) {
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.text_or_null() != nullptr;
  if (name == "mapping") return value.mapping_or_null() != nullptr;
  if (name == "sequence") {
    return value.list_or_null() || value.text_or_null() || value.mapping_or_null() ||
           value.is_undefined();
  }
  if (name == "iterable") {
    return value.list_or_null() || value.text_or_null() || value.mapping_or_null() ||
           value.is_undefined();
  }
  if (name == "boolean") return value.is<bool>();
  if (name == "true") return value.is<bool>() && value.is_true();
  if (name == "false") return value.is<bool>() && !value.is_true();
  if (name == "number") return value.is_numeric();
  if (name == "integer") return value.is<std::int64_t>();
  if (name == "float") return value.is<double>();
  if (name == "callable") return value.is<TemplateMacro>();
  if (name == "odd") return integer_of(name, value) % 2 != 0;
  if (name == "even") return integer_of(name, value) % 2 == 0;
  if (name == "lower")
    return value.text_or_null() && lower(*value.text_or_null()) == *value.text_or_null();
  if (name == "upper")
    return value.text_or_null() && upper(*value.text_or_null()) == *value.text_or_null();
  const auto other = [&]() -> const Value& { return required(name, arguments, 0, "other"); };
  if (name == "divisibleby") {
    const std::int64_t divisor = integer_of(name, other());
    if (divisor == 0 || divisor == -1) return divisor == -1;
    return integer_of(name, value) % divisor == 0;
  }
  charge(value.weight() / kBytesPerStep + 1);
  if (name == "eq" || name == "equalto") return equal(value, other());
  if (name == "ne") return !equal(value, other());
  if (name == "lt" || name == "lessthan") return compare(value, other()) < 0;
  if (name == "le") return compare(value, other()) <= 0;
  if (name == "gt" || name == "greaterthan") return compare(value, other()) > 0;
  if (name == "ge") return compare(value, other()) >= 0;
  if (name == "sameas") return is_same_kind(value, other());
  if (name == "in") return contains(other(), value);
  throw Error(Code::kUnsupported, fmt::format("the test \"{}\" is not known here", name));
}

Value Interpreter::call_method(const Value& object, std::string_view name,
                               const Arguments& arguments) {
  if (const TemplateMapping* mapping = object.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    if (name == "items") return pairs_of(*this, *mapping);
    if (name == "keys") return make_list(items_of(object));
    if (name == "values") {
      std::vector<Value> values;
      for (const auto& item : mapping->items) values.push_back(item.second);
      return make_list(std::move(values));
    }
    if (name == "get") {
      const Value& key = required("get", arguments, 0, "key");
      const Value* found = key.text_or_null() ? mapping->find(*key.text_or_null()) : nullptr;
      if (found != nullptr) return *found;
      const Value* fallback = arguments.find(1, "default");
      return fallback != nullptr ? *fallback : Value::none();
    }
  }
  if (const std::string* text = object.text_or_null()) {
    charge(text->size() / 8 + 1);
    const std::string method(name);
    if (name == "strip") return make_text(stripped(*text, arguments.find(0, "chars"), Side::kBoth));
    if (name == "lstrip")
      return make_text(stripped(*text, arguments.find(0, "chars"), Side::kLeft));
    if (name == "rstrip")
      return make_text(stripped(*text, arguments.find(0, "chars"), Side::kRight));
    if (name == "split") return split(*this, *text, arguments);
    if (name == "splitlines") return split_lines(*this, *text);
    if (name == "startswith" || name == "endswith") {
      return Value::boolean(has_end(method, *text, arguments));
    }
    if (name == "upper") return make_text(upper(*text));
    if (name == "lower") return make_text(lower(*text));
    if (name == "title") return make_text(titled(*text));
    if (name == "capitalize") return make_text(capitalized(*text));
    if (name == "replace" || name == "join") return apply_filter_method(method, object, arguments);
    if (name == "removeprefix" || name == "removesuffix") {
      const std::string& part = text_of(name, required(name, arguments, 0, "prefix"));
      std::string_view rest = *text;
      if (name == "removeprefix" && rest.starts_with(part)) rest.remove_prefix(part.size());
      if (name == "removesuffix" && rest.ends_with(part)) rest.remove_suffix(part.size());
      return make_text(std::string(rest));
    }
    if (name == "find") {
      const std::size_t hit = text->find(text_of(name, required(name, arguments, 0, "sub")));
      if (hit == std::string::npos) return Value::integer(-1);
      return Value::integer(
          std::int64_t(code_points(std::string_view(*text).substr(0, hit)).size()));
    }
    if (name == "count") {
      const std::string& part = text_of(name, required(name, arguments, 0, "sub"));
      if (part.empty()) return Value::integer(std::int64_t(code_points(*text).size()) + 1);
      std::int64_t count = 0;
      for (std::size_t at = text->find(part); at != std::string::npos;
           at = text->find(part, at + part.size())) {
        ++count;
      }
      return Value::integer(count);
    }
    if (name == "isdigit")
      return Value::boolean(all_are(*text, [](char32_t c) { return bool(u_isdigit(UChar32(c))); }));
    if (name == "isspace") return Value::boolean(all_are(*text, is_python_space));
  }
  if (object.is_undefined()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("'{}' is undefined", object.get<TemplateUndefined>()->name));
  }
  throw Error(Code::kUnsupported,
              fmt::format("the method {}.{}() is not known here", object.type_name(), name));
}

// Methods that share their work with a filter, though their arguments come in another order.
Value Interpreter::apply_filter_method(std::string_view name, const Value& object,
                                       const Arguments& arguments) {
  if (name == "replace") return apply_filter("replace", object, arguments);
  Arguments turned;
  turned.values.push_back(object);
  return apply_filter("join", required(name, arguments, 0, "iterable"), turned);
}

}  // namespace panal::chat::detail
