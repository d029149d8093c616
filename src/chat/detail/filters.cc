// Which filters there are, and those of single values: numbers, defaults, JSON.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/builtins.h"
#include "chat/detail/print.h"
#include "chat/detail/text.h"
#include "chat/detail/text_search.h"

namespace panal::chat::detail {
namespace {

using I = Interpreter;
using V = Value;
using A = BoundArguments;

Value default_value(I&, const V& value, const A& arguments) {
  const bool is_missing = value.is_undefined() || (arguments.flag(1, false) && !value.is_true());
  if (!is_missing) return value;
  return arguments.has(0) ? arguments.at(0) : Value::text("");
}

void refuse_undefined(const V& value) {
  if (value.is_undefined()) throw Error(Code::kInvalidArgument, value.get<Undefined>()->message);
}

// A number as Python reads it: white space around, "_" between digits.
std::optional<std::string> plain_digits(const std::string& text) {
  std::string plain = stripped(text, nullptr, Side::kBoth);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] != '_') continue;
    const auto is_digit = [&](std::size_t at) {
      return at < plain.size() && std::isalnum(static_cast<unsigned char>(plain[at])) != 0;
    };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  std::erase(plain, '_');
  return plain;
}

std::optional<double> parsed_number(const std::string& text) {
  const auto plain = plain_digits(text);
  if (!plain || plain->empty()) return std::nullopt;
  const char* begin = plain->data() + (plain->starts_with('+') ? 1 : 0);
  const char* end = plain->data() + plain->size();
  if (begin < end && plain->starts_with('+') && *begin == '-') return std::nullopt;
  double number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(begin, nullptr);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> parsed_integer(const std::string& text, std::int64_t base) {
  const auto plain = plain_digits(text);
  if (!plain) return std::nullopt;
  std::string_view rest = *plain;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  const char mark = rest.size() > 2 && rest[0] == '0' ? char(rest[1] | 0x20) : '\0';
  const std::int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (marked != 0 && (base == marked || base == 0)) {
    rest.remove_prefix(2);
    base = marked;
  }
  if (base == 0) base = 10;
  if (rest.empty()) return std::nullopt;
  std::uint64_t size = 0;
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, size, int(base));
  if (stop != end) return std::nullopt;
  if (error != std::errc() || size > std::uint64_t(INT64_MAX))
    throw Error(Code::kInvalidArgument, "an integer over 64 bits");
  return is_negative ? -std::int64_t(size) : std::int64_t(size);
}

std::optional<std::int64_t> whole_of(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  if (std::abs(number) >= 9.2e18) throw Error(Code::kInvalidArgument, "an integer over 64 bits");
  return std::int64_t(number);
}

Value to_integer(I&, const V& value, const A& arguments) {
  refuse_undefined(value);
  const std::int64_t base = arguments.integer(1, 10);
  if (base != 0 && (base < 2 || base > 36)) arguments.refuse(1, "0 or 2 to 36");
  std::optional<std::int64_t> number;
  if (const std::string* text = value.text_or_null()) {
    number = parsed_integer(*text, base);
    if (!number) {
      if (const auto real = parsed_number(*text)) number = whole_of(*real);
    }
  } else if (value.is<double>()) {
    number = whole_of(*value.get<double>());
  } else if (value.is_numeric()) {
    number = value.as_integer();
  }
  if (number) return Value::integer(*number);
  return arguments.has(0) ? arguments.at(0) : Value::integer(0);
}

Value to_number(I&, const V& value, const A& arguments) {
  refuse_undefined(value);
  std::optional<double> number;
  if (value.is_numeric()) number = value.as_number();
  if (const std::string* text = value.text_or_null()) number = parsed_number(*text);
  if (number) return Value::number(*number);
  return arguments.has(0) ? arguments.at(0) : Value::number(0);
}

const Value& number_of(const V& value, const A& arguments) {
  refuse_undefined(value);
  if (!value.is_numeric()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs a number, found {}", arguments.what(), value.type_name()));
  }
  return value;
}

Value absolute(I&, const V& value, const A& arguments) {
  number_of(value, arguments);
  if (value.is<double>()) return Value::number(std::abs(value.as_number()));
  const std::int64_t number = value.as_integer();
  if (number == INT64_MIN) throw Error(Code::kInvalidArgument, "an integer over 64 bits");
  return Value::integer(std::abs(number));
}

// Half to even, of the number's exact decimal value.
Value rounded_to(const V& value, std::int64_t precision) {
  const double scale = std::pow(10.0, double(std::abs(precision)));
  if (!value.is<double>()) {
    if (precision >= 0) return Value::integer(value.as_integer());
    if (precision < -18) return Value::integer(0);
    const double tens = std::nearbyint(double(value.as_integer()) / scale);
    return Value::integer(std::int64_t(tens) * std::int64_t(scale));
  }
  const double number = value.as_number();
  if (!std::isfinite(number)) return value;
  if (precision < 0) return Value::number(std::nearbyint(number / scale) * scale);
  return Value::number(std::strtod(fmt::format("{:.{}f}", number, precision).c_str(), nullptr));
}

Value rounded(I&, const V& value, const A& arguments) {
  number_of(value, arguments);
  constexpr std::int64_t kMostDigits = 300;
  const std::int64_t precision = arguments.integer(0, 0);
  if (std::abs(precision) > kMostDigits) arguments.refuse(0, "-300 to 300");
  const std::string method = arguments.has(1) ? arguments.text(1) : "common";
  if (method == "common") return rounded_to(value, precision);
  if (method != "ceil" && method != "floor") arguments.refuse(1, "common, ceil or floor");
  const double scale = std::pow(10.0, double(precision));
  const double scaled = value.as_number() * scale;
  return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value to_json(I& interpreter, const V& value, const A& arguments) {
  constexpr std::int64_t kMaxIndent = 32;
  JsonStyle style;
  style.ascii_only = arguments.flag(0, false);
  if (const Value* indent = arguments.given(1)) {
    style.item_separator = std::string(",");  // GCC 12 warns of an overlap that is none.
    if (indent->text_or_null()) {
      style.indent = *indent->text_or_null();
    } else {
      const std::int64_t width = arguments.integer(1);
      if (width > kMaxIndent) arguments.refuse(1, fmt::format("at most {}", kMaxIndent));
      style.indent = std::string(std::size_t(std::max<std::int64_t>(0, width)), ' ');
    }
  }
  if (const Value* separators = arguments.given(2)) {
    const std::vector<Value> pair = interpreter.items_of(*separators);
    if (pair.size() != 2 || !pair[0].text_or_null() || !pair[1].text_or_null())
      arguments.refuse(2, "two strings");
    style.item_separator = *pair[0].text_or_null();
    style.key_separator = *pair[1].text_or_null();
  }
  style.sort_keys = arguments.flag(3, false);
  // Each value may bring two separators and an indented line.
  const std::size_t per_item =
      1 + style.item_separator.size() + style.key_separator.size() +
      (style.indent ? style.indent->size() : 0) * std::size_t(value.depth() + 1);
  if (value.weight() * std::uint64_t(per_item) > kMaxTextBytes * kBytesPerStep)
    throw Error(Code::kResourceExhausted, "a JSON text is too long");
  interpreter.charge(value.weight() / kBytesPerStep * per_item + 1);
  refuse_undefined(value);
  std::string out;
  print_json(value, style, 0, out);
  return interpreter.make_text(std::move(out));
}

Value length(I& interpreter, const V& value, const A& arguments) {
  interpreter.charge(value.weight() / kBytesPerStep + 1);
  if (const auto* text = value.text_or_null()) return Value::integer(count_characters(*text));
  if (const auto* list = value.list_or_null())
    return Value::integer(std::int64_t(list->items.size()));
  if (const auto* mapping = value.mapping_or_null())
    return Value::integer(std::int64_t(mapping->items.size()));
  if (value.is_undefined()) return Value::integer(0);
  if (value.shared<Loop>() != nullptr) return interpreter.attribute(value, "length");
  throw Error(Code::kInvalidArgument, fmt::format("{} needs something with a length, found {}",
                                                  arguments.what(), value.type_name()));
}

Value attribute_of(I& interpreter, const V& value, const A& arguments) {
  // Unlike value.name it never finds the key of a mapping.
  const std::string& name = arguments.text(0);
  if (value.mapping_or_null() != nullptr && !is_method(value, name)) {
    return Value::undefined_because(fmt::format("'dict object' has no attribute '{}'", name));
  }
  return interpreter.attribute(value, name);
}

constexpr Filter kFilters[] = {
    {"abs", "", absolute},
    {"attr", "name", attribute_of},
    {"count", "", length},
    {"d", "default_value? boolean?", default_value},
    {"default", "default_value? boolean?", default_value},
    {"float", "default?", to_number},
    {"int", "default? base?", to_integer},
    {"length", "", length},
    {"round", "precision? method?", rounded},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", to_json},
};

}  // namespace

std::span<const Filter> value_filters() { return kFilters; }

const Filter* find_filter(std::string_view name) {
  for (const std::span<const Filter> filters : {value_filters(), text_filters(), list_filters()}) {
    const auto found = std::ranges::find(filters, name, &Filter::name);
    if (found != filters.end()) return &*found;
  }
  return nullptr;
}

Value Interpreter::apply_filter(std::string_view name, const Value& value,
                                const Arguments& arguments) {
  const Filter* filter = find_filter(name);
  if (filter == nullptr) {
    throw Error(Code::kUnsupported, fmt::format("the filter \"{}\" is not known here", name));
  }
  return filter->run(
      *this, value,
      BoundArguments(fmt::format("the filter \"{}\"", name), filter->signature, arguments));
}

}  // namespace panal::chat::detail
