#include "chat/detail/formatting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/print.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxPrecision = 100;
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

// [[fill]align][sign][0][width][,][.precision][type]
struct Layout {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^' or '='; '\0' as the kind of value wants.
  char sign = '-';    // '+' and ' ' mark positive numbers too.
  char grouping = '\0';
  bool has_base_mark = false;
  std::int64_t width = 0;
  std::optional<std::int64_t> precision;
  char type = '\0';
};

[[noreturn]] void fail(std::string message) {
  throw Error(Code::kInvalidArgument, std::move(message));
}

std::string text_of(const Value& value) {
  std::string text;
  print(value, text);
  return text;
}

std::string repr_of(const Value& value) {
  std::string text;
  print_repr(value, text);
  return text;
}

std::int64_t digits_at(std::string_view text, std::size_t& at, std::int64_t limit) {
  std::int64_t number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = number * 10 + (text[at] - '0');
    if (number > limit) fail(fmt::format("a format wider than {}", limit));
  }
  return number;
}

std::string padded(std::string body, const Layout& layout, char usual_align) {
  const char align = layout.align != '\0' ? layout.align : usual_align;
  const std::int64_t missing = layout.width - count_characters(body);
  if (missing <= 0) return body;
  const std::int64_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string out;
  const std::size_t sign = align == '=' && !body.empty() &&
                           std::string_view("+- ").find(body[0]) != std::string_view::npos;
  out.append(body, 0, sign);
  for (std::int64_t i = 0; i < before; ++i) out += layout.fill;
  out.append(body, sign);
  for (std::int64_t i = before; i < missing; ++i) out += layout.fill;
  return out;
}

// "1234567.5" with a sign between each three digits before the point.
std::string grouped(const std::string& digits, char sign) {
  if (sign == '\0') return digits;
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += sign;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string signed_digits(bool is_negative, const std::string& digits, const Layout& layout) {
  const std::string mark = is_negative          ? "-"
                           : layout.sign == '-' ? ""
                                                : std::string(1, layout.sign);
  return mark + grouped(digits, layout.grouping);
}

std::string float_body(double value, const Layout& layout) {
  const int precision = int(layout.precision.value_or(6));
  const double size = std::abs(value);
  switch (layout.type) {
    case 'e':
      return fmt::format("{:.{}e}", size, precision);
    case 'E':
      return fmt::format("{:.{}E}", size, precision);
    case 'g':
      return fmt::format("{:.{}g}", size, std::max(precision, 1));
    case 'G':
      return fmt::format("{:.{}G}", size, std::max(precision, 1));
    case '%':
      return fmt::format("{:.{}f}%", size * 100, precision);
    default:
      return fmt::format("{:.{}f}", size, precision);
  }
}

std::string integer_body(std::int64_t value, const Layout& layout) {
  const std::uint64_t size = value < 0 ? 0 - std::uint64_t(value) : std::uint64_t(value);
  switch (layout.type) {
    case 'x':
      return layout.has_base_mark ? fmt::format("{:#x}", size) : fmt::format("{:x}", size);
    case 'X':
      return layout.has_base_mark ? fmt::format("{:#X}", size) : fmt::format("{:X}", size);
    case 'o':
      return (layout.has_base_mark ? "0o" : "") + fmt::format("{:o}", size);
    case 'b':
      return layout.has_base_mark ? fmt::format("{:#b}", size) : fmt::format("{:b}", size);
    default:
      return std::to_string(size);
  }
}

std::string laid_out_number(const Value& value, const Layout& layout) {
  constexpr std::string_view kOfFloats = "eEfFgG%";
  const bool is_float = value.is<double>() || kOfFloats.find(layout.type) != std::string_view::npos;
  if (!is_float || layout.type == 'd' || layout.type == 'i') {
    if (layout.type == 'c') {
      std::string character;
      append_utf8(character, char32_t(std::clamp<std::int64_t>(value.as_integer(), 0, 0x10FFFF)));
      return padded(std::move(character), layout, '<');
    }
    const std::int64_t number = value.as_integer();
    return padded(signed_digits(number < 0, integer_body(number, layout), layout), layout, '>');
  }
  const double number = value.as_number();
  std::string body =
      layout.type == '\0' ? repr_of(Value::number(std::abs(number))) : float_body(number, layout);
  return padded(signed_digits(std::signbit(number), body, layout), layout, '>');
}

std::string laid_out_text(std::string text, const Layout& layout) {
  if (layout.precision) {
    const std::u32string all = code_points(text);
    text = utf8_of(std::u32string_view(all).substr(0, std::size_t(*layout.precision)));
  }
  return padded(std::move(text), layout, '<');
}

Layout parse_layout(std::string_view text) {
  constexpr std::string_view kAligns = "<>^=";
  Layout layout;
  std::size_t at = 0;
  const auto next = [&] { return at < text.size() ? text[at] : '\0'; };
  const std::size_t fill = next_character(text).num_bytes;
  if (fill > 0 && fill < text.size() && kAligns.find(text[fill]) != std::string_view::npos) {
    layout.fill = text.substr(0, fill);
    layout.align = text[fill];
    at = fill + 1;
  } else if (kAligns.find(next()) != std::string_view::npos && next() != '\0') {
    layout.align = text[at++];
  }
  if (next() == '+' || next() == '-' || next() == ' ') layout.sign = text[at++];
  if (next() == '#') {
    layout.has_base_mark = true;
    ++at;
  }
  if (next() == '0') {
    ++at;
    if (layout.align == '\0') {
      layout.fill = "0";
      layout.align = '=';
    }
  }
  layout.width = digits_at(text, at, kMaxWidth);
  if (next() == ',' || next() == '_') layout.grouping = text[at++];
  if (next() == '.') {
    ++at;
    layout.precision = digits_at(text, at, kMaxPrecision);
  }
  if (at < text.size()) layout.type = text[at++];
  constexpr std::string_view kTypes = "sdxXobceEfFgG%";
  if (at < text.size() ||
      (layout.type != '\0' && kTypes.find(layout.type) == std::string_view::npos)) {
    throw Error(Code::kUnsupported,
                fmt::format("the format \"{}\" is not known here", text.substr(0, 40)));
  }
  return layout;
}

std::string formatted(const Value& value, std::string_view specification) {
  if (specification.empty()) return text_of(value);
  const Layout layout = parse_layout(specification);
  const bool wants_text = layout.type == 's' || layout.type == '\0';
  if (value.text_or_null() && wants_text) {
    if (layout.align == '=' && layout.fill != "0") fail("\"=\" aligns numbers only");
    return laid_out_text(*value.text_or_null(), layout);
  }
  const bool is_float_as_integer =
      value.is<double>() && std::string_view("dxXobc").find(layout.type) != std::string_view::npos;
  if (!value.is_numeric() || layout.type == 's' || is_float_as_integer) {
    fail(fmt::format("the format \"{}\" does not fit a value of type {}",
                     specification.substr(0, 40), value.type_name()));
  }
  if (value.is<double>() && layout.type == '\0' && layout.precision) {
    throw Error(Code::kUnsupported,
                fmt::format("the format \"{}\" without a type is not known here",
                            specification.substr(0, 40)));
  }
  return laid_out_number(value, layout);
}

// The values of "%": one after another from a tuple, or by name from a mapping.
class PercentValues {
 public:
  explicit PercentValues(const Value& values) : values_(values) {
    const List* list = values.list_or_null();
    tuple_ = list != nullptr && list->kind == ListKind::kTuple ? list : nullptr;
  }
  const Value& next() {
    if (tuple_ == nullptr) {
      if (num_taken_++ > 0) fail("not enough values for the format");
      return values_;
    }
    if (num_taken_ >= tuple_->items.size()) fail("not enough values for the format");
    return tuple_->items[num_taken_++];
  }
  const Value& named(std::string_view name) {
    const Mapping* mapping = values_.mapping_or_null();
    if (mapping == nullptr) fail("a format with names needs a mapping");
    const Value* found = mapping->find(name);
    if (found == nullptr) fail(fmt::format("the format names \"{}\", which is missing", name));
    num_taken_ = 1;
    return *found;
  }
  void check_all_taken() const {
    const bool all = tuple_ != nullptr ? num_taken_ == tuple_->items.size()
                                       : num_taken_ > 0 || values_.mapping_or_null() != nullptr;
    if (!all) fail("not all values were used by the format");
  }

 private:
  const Value& values_;  // Outlives this.
  const List* tuple_ = nullptr;
  std::size_t num_taken_ = 0;
};

std::string percent_value(const Value& value, Layout layout) {
  if (layout.type == 's' || layout.type == 'r') {
    if (layout.align == '=') layout.align = '>';
    if (layout.align == '\0') layout.align = '>';
    if (layout.fill == "0") layout.fill = " ";
    return laid_out_text(layout.type == 's' ? text_of(value) : repr_of(value), layout);
  }
  if (layout.type == 'c' && value.text_or_null()) return laid_out_text(text_of(value), layout);
  const bool is_float = std::string_view("eEfFgG").find(layout.type) != std::string_view::npos;
  if (!value.is_numeric() ||
      (value.is<double>() && !is_float && layout.type != 'd' && layout.type != 'i')) {
    fail(fmt::format("%{} needs a number, found {}", layout.type, value.type_name()));
  }
  return laid_out_number(value, layout);
}

}  // namespace

std::string percent_formatted(std::string_view format, const Value& values) {
  PercentValues given(values);
  std::string out;
  for (std::size_t at = 0; at < format.size();) {
    const std::size_t hit = std::min(format.find('%', at), format.size());
    out += format.substr(at, hit - at);
    at = hit + 1;
    if (hit == format.size()) break;
    std::optional<std::string_view> name;
    if (at < format.size() && format[at] == '(') {
      const std::size_t end = format.find(')', at);
      if (end == std::string_view::npos) fail("a name in the format is not closed");
      name = format.substr(at + 1, end - at - 1);
      at = end + 1;
    }
    Layout layout;
    for (;
         at < format.size() && std::string_view("-+ 0#").find(format[at]) != std::string_view::npos;
         ++at) {
      if (format[at] == '-') layout.align = '<';
      if (format[at] == '+' || (format[at] == ' ' && layout.sign != '+')) layout.sign = format[at];
      if (format[at] == '#') layout.has_base_mark = true;
      if (format[at] == '0' && layout.align == '\0') {
        layout.fill = "0";
        layout.align = '=';
      }
    }
    if (layout.align == '<') layout.fill = " ";
    layout.width = digits_at(format, at, kMaxWidth);
    if (at < format.size() && format[at] == '.')
      layout.precision = digits_at(format, ++at, kMaxPrecision);
    if (at == format.size()) fail("the format ends inside a \"%\"");
    layout.type = format[at++];
    if (layout.type == '%') {
      out += '%';
    } else if (std::string_view("sdiuoxXeEfFgGcr").find(layout.type) == std::string_view::npos) {
      throw Error(Code::kUnsupported, fmt::format("%{} is not known here", layout.type));
    } else {
      if (layout.type == 'u') layout.type = 'd';
      out += percent_value(name ? given.named(*name) : given.next(), layout);
    }
    if (out.size() > kMaxBytes)
      throw Error(Code::kResourceExhausted, "a formatted string is too long");
  }
  given.check_all_taken();
  return out;
}

std::string brace_formatted(std::string_view format,
                            const std::function<Value(std::string_view field)>& field) {
  std::string out;
  std::size_t next_position = 0;
  for (std::size_t at = 0; at < format.size();) {
    const char c = format[at];
    const bool is_doubled = at + 1 < format.size() && format[at + 1] == c;
    if (c != '{' && c != '}') {
      out += c;
      ++at;
      continue;
    }
    if (is_doubled) {
      out += c;
      at += 2;
      continue;
    }
    const std::size_t end = format.find('}', at);
    if (c == '}' || end == std::string_view::npos) fail("a single brace in a format");
    std::string_view inside = format.substr(at + 1, end - at - 1);
    if (inside.find('{') != std::string_view::npos)
      throw Error(Code::kUnsupported, "a field inside a format's field is not known here");
    at = end + 1;
    const std::size_t colon = std::min(inside.find(':'), inside.size());
    const std::string_view specification =
        colon < inside.size() ? inside.substr(colon + 1) : std::string_view();
    std::string_view name = inside.substr(0, colon);
    char conversion = '\0';
    if (const std::size_t mark = name.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != name.size() || (name[mark + 1] != 'r' && name[mark + 1] != 's'))
        throw Error(Code::kUnsupported, "a format's conversion must be !r or !s here");
      conversion = name[mark + 1];
      name = name.substr(0, mark);
    }
    const bool is_automatic = name.empty() || name[0] == '.' || name[0] == '[';
    const std::string full =
        is_automatic ? std::to_string(next_position++) + std::string(name) : std::string(name);
    Value value = field(full);
    if (conversion == 'r') value = Value::text(repr_of(value));
    if (conversion == 's') value = Value::text(text_of(value));
    out += formatted(value, specification);
    if (out.size() > kMaxBytes)
      throw Error(Code::kResourceExhausted, "a formatted string is too long");
  }
  return out;
}

}  // namespace panal::chat::detail
