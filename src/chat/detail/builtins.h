// Jinja's filters and tests and Python's methods, as tables: a row names its parameters, and what a
// template gives beyond them is an error.
#pragma once

#include <span>
#include <string_view>

#include "chat/detail/interpreter.h"

namespace panal::chat::detail {

struct Filter {
  std::string_view name;
  Signature signature;
  Value (*run)(Interpreter& interpreter, const Value& value, const BoundArguments& arguments);
};
/// Of numbers, texts and lists.
std::span<const Filter> value_filters();
std::span<const Filter> text_filters();
std::span<const Filter> list_filters();
const Filter* find_filter(std::string_view name);

struct TemplateTest {
  std::string_view name;
  Signature signature;
  bool (*run)(Interpreter& interpreter, const Value& value, const BoundArguments& arguments);
};
const TemplateTest* find_test(std::string_view name);

struct TextMethod {
  std::string_view name;
  Signature signature;
  Value (*run)(Interpreter& interpreter, const std::string& text, const BoundArguments& arguments);
};
const TextMethod* find_text_method(std::string_view name);

/// Whether `object` has a method that templates may call.
bool is_method(const Value& object, std::string_view name);
/// Whether it has one that would change it, which templates may not.
bool is_changing_method(const Value& object, std::string_view name);

/// The value at an attribute argument of a filter: "a.b.0", a position, or the item itself for
/// None.
class AttributePath {
 public:
  AttributePath(Interpreter& interpreter, const Value* path, const Value* fallback = nullptr);
  Value of(Value item) const;

 private:
  Interpreter& interpreter_;
  std::vector<Value> parts_;
  std::optional<Value> fallback_;
};

}  // namespace panal::chat::detail
