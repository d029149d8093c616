// How values are written: Python's str(), repr() and json.dumps().
#pragma once

#include <string>

#include "chat/detail/value.h"

namespace panal::chat::detail {

/// str(value) and repr(value) of Python; undefined is "". Throw Error(kUnsupported) for what Python
/// prints with an address.
void print(const Value& value, std::string& out);
void print_repr(const Value& value, std::string& out);

struct JsonStyle {
  std::optional<std::string> indent;  // One level; nothing for one line.
  bool sort_keys = false;
  bool ascii_only = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
/// json.dumps(value) of Python; throws Error where it raises TypeError.
void print_json(const Value& value, const JsonStyle& style, int level, std::string& out);

}  // namespace panal::chat::detail
