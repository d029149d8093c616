// The values a chat template computes with: Python's, as far as templates see them. Lists and
// mappings never change once made; only a namespace does, and it may not be put inside another
// value, so no cycle can arise.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace panal::chat::detail {

struct Statement;
class TemplateValue;

struct TemplateUndefined {
  std::string name;  // For "'x' is undefined".
};
struct TemplateNone {};
struct TemplateList {
  std::vector<TemplateValue> items;
  int depth =
      1;  // Levels of nesting, bounded so that destruction and printing cannot overflow the stack.
  std::uint64_t weight = 1;  // Size when written out; [x, x] of an x that is [y, y] ... grows fast.
  bool is_tuple = false;
};
struct TemplateMapping {
  std::vector<std::pair<std::string, TemplateValue>> items;  // In order of insertion, keys unique.
  int depth = 1;
  std::uint64_t weight = 1;
  const TemplateValue* find(std::string_view key) const;
};
struct TemplateNamespace {
  std::map<std::string, TemplateValue, std::less<>> members;
};
struct TemplateMacro {
  const Statement* definition;  // Owned by the program, which outlives every value.
};

/// Cheap to copy: strings, lists and mappings are shared by all values that hold them, and
/// constant.
class TemplateValue {
 public:
  using Text = std::shared_ptr<const std::string>;
  using List = std::shared_ptr<const TemplateList>;
  using Mapping = std::shared_ptr<const TemplateMapping>;
  using Namespace = std::shared_ptr<TemplateNamespace>;
  using Storage = std::variant<TemplateUndefined, TemplateNone, bool, std::int64_t, double, Text,
                               List, Mapping, Namespace, TemplateMacro>;

  TemplateValue() = default;
  explicit TemplateValue(Storage storage) : storage_(std::move(storage)) {}
  static TemplateValue undefined(std::string_view name) {
    return TemplateValue(TemplateUndefined{std::string(name)});
  }
  static TemplateValue none() { return TemplateValue(TemplateNone{}); }
  static TemplateValue boolean(bool value) { return TemplateValue(Storage(value)); }
  static TemplateValue integer(std::int64_t value) { return TemplateValue(Storage(value)); }
  static TemplateValue number(double value) { return TemplateValue(Storage(value)); }
  static TemplateValue text(std::string value) {
    return TemplateValue(std::make_shared<const std::string>(std::move(value)));
  }
  /// These throw Error(kResourceExhausted) for values nested deeper than 64 levels or of more than
  /// 16 MiB when written out, and Error(kUnsupported) for a namespace inside.
  static TemplateValue list(std::vector<TemplateValue> items, bool is_tuple = false);
  static TemplateValue mapping(std::vector<std::pair<std::string, TemplateValue>> items);
  static TemplateValue from_json(const Json& json);

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(storage_);
  }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&storage_);
  }
  bool is_undefined() const { return is<TemplateUndefined>(); }
  bool is_none() const { return is<TemplateNone>(); }
  const std::string* text_or_null() const {
    return is<Text>() ? std::get<Text>(storage_).get() : nullptr;
  }
  const TemplateList* list_or_null() const {
    return is<List>() ? std::get<List>(storage_).get() : nullptr;
  }
  const TemplateMapping* mapping_or_null() const {
    return is<Mapping>() ? std::get<Mapping>(storage_).get() : nullptr;
  }
  bool is_numeric() const { return is<bool>() || is<std::int64_t>() || is<double>(); }
  /// Booleans count as 0 and 1, as in Python. Only for numeric values.
  double as_number() const;
  std::int64_t as_integer() const;

  bool is_true() const;
  /// Python's names: "str", "dict".
  std::string_view type_name() const;
  int depth() const;
  /// About the bytes of the value when written out.
  std::uint64_t weight() const;

 private:
  Storage storage_;
};

bool equal(const TemplateValue& a, const TemplateValue& b);
/// -1, 0, 1; throws Error where Python raises TypeError.
int compare(const TemplateValue& a, const TemplateValue& b);
/// str(value) and repr(value) of Python; undefined is "".
void print(const TemplateValue& value, std::string& out);
void print_repr(const TemplateValue& value, std::string& out);
struct JsonStyle {
  int indent = -1;  // -1: one line.
  bool sort_keys = false;
  bool ascii_only = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
/// json.dumps(value) of Python.
void print_json(const TemplateValue& value, const JsonStyle& style, int level, std::string& out);

/// A string as code points, for indices and slices.
std::u32string code_points(std::string_view text);
std::string utf8_of(std::u32string_view characters);

}  // namespace panal::chat::detail
