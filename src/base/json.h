// JSON as panal reads and writes it: keys keep their order, and text from outside is parsed with
// bounds.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal {

using Json = nlohmann::ordered_json;

/// Parses untrusted text. Errors name `where`, the line and the column; nesting over 64 levels is
/// refused.
Result<Json> parse_json(std::string_view text, std::string_view where);

/// One line, invalid UTF-8 replaced by U+FFFD, so that writing never throws.
std::string to_line(const Json& json);
/// Indented by two spaces, for people and files.
std::string to_pretty(const Json& json);

/// A required member of an object. Errors: "request: \"max_tokens\" must be an integer from 1 to
/// 4096, found \"ten\"".
Result<std::string> json_string(const Json& object, std::string_view key, std::string_view where);
Result<std::int64_t> json_integer(const Json& object, std::string_view key, std::string_view where,
                                  std::int64_t low, std::int64_t high);
Result<double> json_number(const Json& object, std::string_view key, std::string_view where,
                           double low, double high);
Result<bool> json_boolean(const Json& object, std::string_view key, std::string_view where);
/// True when the object has the key with a value that is not null: optional members are asked for
/// with this first.
bool json_has(const Json& object, std::string_view key);
/// A value in an error message: shortened to 60 bytes, never the whole of a large input.
std::string json_shown(const Json& value);

}  // namespace panal
