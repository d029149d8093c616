// What can be reached from a value: its items, its attributes, its elements.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "chat/detail/builtins.h"
#include "chat/detail/interpreter.h"
#include "chat/detail/operators.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

Source source_over(std::vector<Value> items) {
  return [items = std::move(items), at = std::size_t{0}]() mutable -> std::optional<Value> {
    if (at == items.size()) return std::nullopt;
    return items[at++];
  };
}

Value missing(const Value& object, std::string_view name) {
  return Value::undefined_because(
      fmt::format("'{} object' has no attribute '{}'", object.type_name(), name));
}

}  // namespace

std::vector<Value> Interpreter::items_of(const Value& value) {
  if (const List* list = value.list_or_null()) {
    charge(list->items.size() + 1);
    return list->items;
  }
  std::vector<Value> items;
  if (const Mapping* mapping = value.mapping_or_null()) {
    charge(mapping->items.size() + 1);
    for (const auto& item : mapping->items) items.push_back(item.first);
    return items;
  }
  if (const std::string* text = value.text_or_null()) {
    charge(text->size() + 1);
    for (const char32_t character : code_points(*text))
      items.push_back(Value::text(utf8_of(std::u32string(1, character))));
    return items;
  }
  if (value.shared<Generator>() != nullptr) {
    const Source next = source_of(value);
    while (std::optional<Value> item = next()) items.push_back(*std::move(item));
    return items;
  }
  if (value.is_undefined()) return items;
  throw Error(Code::kInvalidArgument, fmt::format("{} cannot be iterated", value.type_name()));
}

Source Interpreter::source_of(const Value& value) {
  if (value.shared<Generator>() == nullptr) return source_over(items_of(value));
  return [this, value]() -> std::optional<Value> {
    charge(1);
    const auto& next = value.shared<Generator>()->next;
    return next ? next() : std::nullopt;
  };
}

bool Interpreter::contains(const Value& container, const Value& item) {
  if (const std::string* text = container.text_or_null()) {
    if (item.text_or_null() == nullptr) throw type_error("in", item, container);
    charge(text->size() / kBytesPerStep + 1);
    return text->find(*item.text_or_null()) != std::string::npos;
  }
  if (const Mapping* mapping = container.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    if (!item.is_hashable()) throw type_error("in", item, container);
    return mapping->find(item) != nullptr;
  }
  charge(container.weight() / kBytesPerStep + 1);
  const Source next = source_of(container);
  while (const std::optional<Value> each = next()) {
    if (equal(*each, item)) return true;
  }
  return false;
}

bool Interpreter::pull(Loop& loop) {
  const auto wanted = std::size_t(loop.index0 + 1);
  if (loop.items.size() > wanted) return true;
  std::optional<Value> item = loop.next ? loop.next() : std::nullopt;
  if (!item) return false;
  loop.items.push_back(*std::move(item));
  return true;
}

Value Interpreter::loop_attribute(Loop& loop, std::string_view name) {
  const auto whole_length = [&] {
    while (std::optional<Value> item = loop.next ? loop.next() : std::nullopt)
      loop.items.push_back(*std::move(item));
    return std::int64_t(loop.items.size());
  };
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(!pull(loop));
  if (name == "length") return Value::integer(whole_length());
  if (name == "revindex") return Value::integer(whole_length() - loop.index0);
  if (name == "revindex0") return Value::integer(whole_length() - loop.index0 - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") {
    if (loop.index0 > 0) return loop.items[std::size_t(loop.index0 - 1)];
    return Value::undefined_because("there is no previous item");
  }
  if (name == "nextitem") {
    if (pull(loop)) return loop.items[std::size_t(loop.index0 + 1)];
    return Value::undefined_because("there is no next item");
  }
  return Value::undefined_because(fmt::format("'loop' has no attribute '{}'", name));
}

Value Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) {
    throw Error(Code::kInvalidArgument, object.get<Undefined>()->message);
  }
  if (auto* loop = object.shared<Loop>(); loop != nullptr && !is_method(object, name)) {
    return loop_attribute(*loop, name);
  }
  if (const auto* space = object.shared<Namespace>()) {
    const auto found = space->members.find(name);
    return found != space->members.end() ? found->second : missing(object, name);
  }
  // As in Python, a method hides a key of the same name; obj["name"] is the way to that key.
  if (is_method(object, name)) {
    return Value(Method{std::make_shared<const Value>(object), std::string(name)});
  }
  if (is_changing_method(object, name)) {
    return Value::undefined_because(fmt::format(
        "{}.{}() would change a value, which templates may not", object.type_name(), name));
  }
  if (const Mapping* mapping = object.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    const Value* found = mapping->find(name);
    return found != nullptr ? *found : missing(object, name);
  }
  if (const List* list = object.list_or_null(); list != nullptr && list->kind == ListKind::kGroup) {
    if (name == "grouper") return list->items[0];
    if (name == "list") return list->items[1];
  }
  if (const auto* counter = object.shared<Counter>(); counter != nullptr && !counter->is_joiner) {
    if (name == "current") return counter->items[counter->at];
  }
  return missing(object, name);
}

Value Interpreter::index(const Value& object, const Value& key) {
  if (object.is_undefined()) {
    throw Error(Code::kInvalidArgument, object.get<Undefined>()->message);
  }
  const Value none =
      Value::undefined_because(fmt::format("{} object has no such element", object.type_name()));
  if (const Mapping* mapping = object.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    if (!key.is_hashable()) return none;
    if (const Value* found = mapping->find(key)) return *found;
  }
  if (const std::string* name = key.text_or_null()) return attribute(object, *name);
  if (!key.is_integer() && !key.is<bool>()) return none;
  const auto position = [&](std::size_t size) -> std::optional<std::size_t> {
    const std::int64_t at = key.as_integer() + (key.as_integer() < 0 ? std::int64_t(size) : 0);
    if (at < 0 || at >= std::int64_t(size)) return std::nullopt;
    return std::size_t(at);
  };
  if (const List* list = object.list_or_null(); list != nullptr && list->kind <= ListKind::kRange) {
    const auto at = position(list->items.size());
    return at ? list->items[*at] : none;
  }
  if (const std::string* text = object.text_or_null()) {
    charge(text->size() / 8 + 1);
    const std::u32string characters = code_points(*text);
    const auto at = position(characters.size());
    return at ? make_text(utf8_of(characters.substr(*at, 1)), object.is_markup()) : none;
  }
  return none;
}

}  // namespace panal::chat::detail
