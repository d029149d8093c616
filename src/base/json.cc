#include "base/json.h"

#include <fmt/format.h>

#include <cmath>

namespace panal {
namespace {

constexpr int kMaxDepth = 64;

// A line of a file is a text of one line: its number in the file is the caller's to tell.
std::string position(std::string_view text, std::size_t byte) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    ++column;
    if (text[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  const bool has_lines = text.find('\n') != std::string_view::npos;
  return has_lines ? fmt::format("line {}, column {}", line, column)
                   : fmt::format("column {}", column);
}

Status wrong_type(const Json& object, std::string_view key, std::string_view where,
                  std::string_view wanted) {
  if (!object.is_object()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected a JSON object, found {}", where, json_shown(object)));
  }
  if (!object.contains(key)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: \"{}\" is missing; it must be {}", where, key, wanted));
  }
  return Status(Code::kInvalidArgument,
                fmt::format("{}: \"{}\" must be {}, found {}", where, key, wanted,
                            json_shown(object.at(std::string(key)))));
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view where) {
  bool is_too_deep = false;
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) is_too_deep = true;
    return !is_too_deep;
  };
  try {
    Json parsed = Json::parse(text, limit_depth);
    if (is_too_deep) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: JSON nested deeper than {} levels", where, kMaxDepth));
    }
    return parsed;
  } catch (const Json::parse_error& error) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected valid JSON, but it ends or breaks at {}", where,
                              position(text, error.byte)));
  } catch (const Json::exception& error) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: not usable JSON: {}", where, error.what()));
  }
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

bool json_has(const Json& object, std::string_view key) {
  return object.is_object() && object.contains(key) && !object.at(std::string(key)).is_null();
}

std::string json_shown(const Json& value) {
  std::string text = to_line(value);
  if (text.size() <= 60) return text;
  std::size_t end = 57;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

Result<std::string> json_string(const Json& object, std::string_view key, std::string_view where) {
  if (!json_has(object, key) || !object.at(std::string(key)).is_string()) {
    return wrong_type(object, key, where, "a string");
  }
  return object.at(std::string(key)).get<std::string>();
}

Result<std::int64_t> json_integer(const Json& object, std::string_view key, std::string_view where,
                                  std::int64_t low, std::int64_t high) {
  const auto wanted = fmt::format("an integer from {} to {}", low, high);
  if (!json_has(object, key)) return wrong_type(object, key, where, wanted);
  const Json& value = object.at(std::string(key));
  if (!value.is_number()) return wrong_type(object, key, where, wanted);
  if (value.is_number_float()) {
    const double number = value.get<double>();
    // The highest integer rounds to 2^63 as a double, which is one more than fits.
    if (std::floor(number) != number || number < static_cast<double>(low) ||
        number > static_cast<double>(high) || number >= 0x1p63) {
      return wrong_type(object, key, where, wanted);
    }
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    return wrong_type(object, key, where, wanted);
  }
  const auto number = value.get<std::int64_t>();
  if (number < low || number > high) return wrong_type(object, key, where, wanted);
  return number;
}

Result<double> json_number(const Json& object, std::string_view key, std::string_view where,
                           double low, double high) {
  const auto wanted = fmt::format("a number from {} to {}", low, high);
  if (!json_has(object, key) || !object.at(std::string(key)).is_number()) {
    return wrong_type(object, key, where, wanted);
  }
  const double number = object.at(std::string(key)).get<double>();
  if (!(number >= low && number <= high)) return wrong_type(object, key, where, wanted);
  return number;
}

Result<bool> json_boolean(const Json& object, std::string_view key, std::string_view where) {
  if (!json_has(object, key) || !object.at(std::string(key)).is_boolean()) {
    return wrong_type(object, key, where, "true or false");
  }
  return object.at(std::string(key)).get<bool>();
}

}  // namespace panal
