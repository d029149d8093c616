// Methods of mappings, lists, loops and cyclers; which methods a value has.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "chat/detail/builtins.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 6> kOfMappings = {"get",    "items", "keys",
                                                         "values", "copy",  "fromkeys"};
constexpr std::array<std::string_view, 5> kChangingMappings = {"clear", "pop", "popitem",
                                                               "setdefault", "update"};
constexpr std::array<std::string_view, 3> kOfLists = {"copy", "count", "index"};
constexpr std::array<std::string_view, 8> kChangingLists = {"append", "clear",  "extend",  "insert",
                                                            "pop",    "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 2> kOfTuples = {"count", "index"};
constexpr std::array<std::string_view, 1> kOfDict = {"fromkeys"};  // The function dict.
constexpr std::array<std::string_view, 2> kOfLoops = {"cycle", "changed"};
constexpr std::array<std::string_view, 2> kOfCyclers = {"next", "reset"};

Names methods_of(const Value& object) {
  if (object.mapping_or_null()) return kOfMappings;
  if (const List* list = object.list_or_null()) {
    if (list->kind == ListKind::kList) return kOfLists;
    return list->kind <= ListKind::kRange ? Names(kOfTuples) : Names();
  }
  if (object.shared<Loop>()) return kOfLoops;
  if (object.is<Function>() && object.get<Function>()->name == "dict") return kOfDict;
  const auto* counter = object.shared<Counter>();
  return counter != nullptr && !counter->is_joiner ? Names(kOfCyclers) : Names();
}

bool holds(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Value pairs_of(Interpreter& interpreter, const Mapping& mapping) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : mapping.items) {
    interpreter.charge(1);
    pairs.push_back(Value::list({key, value}, ListKind::kTuple));
  }
  return interpreter.make_list(std::move(pairs), ListKind::kItems);
}

Value from_keys(Interpreter& interpreter, const std::string& what, const Arguments& arguments) {
  const BoundArguments bound(what, "iterable value? /", arguments);
  const Value value = bound.has(1) ? bound.at(1) : Value::none();
  std::vector<std::pair<Value, Value>> items;
  for (Value& key : interpreter.items_of(bound.at(0))) items.emplace_back(std::move(key), value);
  return interpreter.make_mapping(std::move(items));
}

Value call_of_mapping(Interpreter& interpreter, const Value& object, std::string_view name,
                      const std::string& what, const Arguments& arguments) {
  const Mapping& mapping = *object.mapping_or_null();
  interpreter.charge(mapping.items.size() / 8 + 1);
  if (name == "get") {
    const BoundArguments bound(what, "key default? /", arguments);
    if (!bound.at(0).is_hashable()) bound.refuse(0, "something that can be a key");
    if (const Value* found = mapping.find(bound.at(0))) return *found;
    return bound.has(1) ? bound.at(1) : Value::none();
  }
  if (name == "fromkeys") return from_keys(interpreter, what, arguments);
  const BoundArguments none(what, "", arguments);
  if (name == "items") return pairs_of(interpreter, mapping);
  if (name == "copy") return object;
  std::vector<Value> values;
  for (const auto& [key, value] : mapping.items) values.push_back(name == "keys" ? key : value);
  return interpreter.make_list(std::move(values),
                               name == "keys" ? ListKind::kKeys : ListKind::kValues);
}

Value call_of_list(Interpreter& interpreter, const Value& object, std::string_view name,
                   const std::string& what, const Arguments& arguments) {
  const std::vector<Value>& items = object.list_or_null()->items;
  interpreter.charge(object.weight() / kBytesPerStep + items.size() + 1);
  if (name == "copy") {
    const BoundArguments none(what, "", arguments);
    return object;
  }
  if (name == "count") {
    const BoundArguments bound(what, "value /", arguments);
    return Value::integer(
        std::ranges::count_if(items, [&](const Value& item) { return equal(item, bound.at(0)); }));
  }
  const BoundArguments bound(what, "value start? stop? /", arguments);
  const auto size = std::int64_t(items.size());
  const auto place = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t end = place(bound.integer(2, size));
  for (std::int64_t at = place(bound.integer(1, 0)); at < end; ++at) {
    if (equal(items[std::size_t(at)], bound.at(0))) return Value::integer(at);
  }
  throw Error(Code::kInvalidArgument, fmt::format("{}: the value is not in the list", what));
}

Value call_of_loop(Loop& loop, std::string_view name, const std::string& what,
                   const Arguments& arguments) {
  const BoundArguments bound(what, "*", arguments);
  if (name == "cycle") {
    if (bound.more().empty())
      throw Error(Code::kInvalidArgument, "loop.cycle() needs at least one item");
    return bound.more()[std::size_t(loop.index0) % bound.more().size()];
  }
  const Value now = Value::list(bound.more(), ListKind::kTuple);
  const bool has_changed = !loop.last_changed || !equal(*loop.last_changed, now);
  loop.last_changed = now;
  return Value::boolean(has_changed);
}

Value call_of_cycler(Counter& counter, std::string_view name, const std::string& what,
                     const Arguments& arguments) {
  const BoundArguments none(what, "", arguments);
  if (name == "reset") {
    counter.at = 0;
    return Value::none();
  }
  const Value now = counter.items[counter.at];
  counter.at = (counter.at + 1) % counter.items.size();
  return now;
}

// What a method of text gives, where the text was made by `safe`: markup again.
Value as_markup(const Value& value) {
  if (const std::string* text = value.text_or_null()) return Value::text(*text, true);
  const List* list = value.list_or_null();
  if (list == nullptr) return value;
  std::vector<Value> items;
  for (const Value& item : list->items) items.push_back(as_markup(item));
  return Value::list(std::move(items), list->kind);
}

}  // namespace

bool is_method(const Value& object, std::string_view name) {
  if (object.text_or_null()) return find_text_method(name) != nullptr;
  return holds(methods_of(object), name);
}

bool is_changing_method(const Value& object, std::string_view name) {
  if (object.mapping_or_null()) return holds(kChangingMappings, name);
  const List* list = object.list_or_null();
  return list != nullptr && list->kind == ListKind::kList && holds(kChangingLists, name);
}

Value Interpreter::call_method(const Value& object, std::string_view name,
                               const Arguments& arguments) {
  const std::string what = fmt::format("{}.{}()", object.type_name(), name);
  if (object.is<Function>()) return from_keys(*this, what, arguments);
  if (object.mapping_or_null()) return call_of_mapping(*this, object, name, what, arguments);
  if (object.list_or_null()) return call_of_list(*this, object, name, what, arguments);
  if (auto* loop = object.shared<Loop>()) return call_of_loop(*loop, name, what, arguments);
  if (auto* counter = object.shared<Counter>())
    return call_of_cycler(*counter, name, what, arguments);
  const std::string& text = *object.text_or_null();
  const TextMethod& method = *find_text_method(name);
  charge(text.size() / 8 + 1);
  if (!object.is_markup()) {
    return method.run(*this, text, BoundArguments(what, method.signature, arguments));
  }
  // Markup escapes what these would put into it.
  if (name == "format" || name == "join" || name == "replace") {
    throw Error(Code::kUnsupported, fmt::format("{} of a string made by \"safe\"", what));
  }
  return as_markup(method.run(*this, text, BoundArguments(what, method.signature, arguments)));
}

}  // namespace panal::chat::detail
