#include "chat/detail/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace panal::chat::detail {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::uint64_t kMaxWeight = std::uint64_t{16} << 20;

// Adds an item to a list or mapping that is being made.
template <typename Container>
void account(const Value& item, Container& container) {
  if (item.shared<Namespace>() || item.shared<Generator>() || item.shared<Loop>()) {
    throw Error(Code::kUnsupported,
                fmt::format("a {} cannot be put inside another value", item.type_name()));
  }
  const int depth = item.depth() + 1;
  if (depth > kMaxDepth) {
    throw Error(Code::kResourceExhausted,
                fmt::format("values nested deeper than {} levels", kMaxDepth));
  }
  container.depth = std::max(container.depth, depth);
  container.weight += item.weight() + 1;
  if (container.weight > kMaxWeight) {
    throw Error(Code::kResourceExhausted, fmt::format("a value of more than {} bytes", kMaxWeight));
  }
}

bool is_tuple(const List& list) {
  return list.kind == ListKind::kTuple || list.kind == ListKind::kGroup;
}

bool equal_lists(const List& a, const List& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind && !(is_tuple(a) && is_tuple(b))) return false;
  if (a.kind == ListKind::kValues) return false;  // Python compares these by identity.
  if (a.kind == ListKind::kKeys || a.kind == ListKind::kItems) {
    return a.items.size() == b.items.size() && std::ranges::all_of(a.items, [&](const Value& item) {
             return std::ranges::any_of(b.items,
                                        [&](const Value& other) { return equal(item, other); });
           });
  }
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
}

bool equal_mappings(const Mapping& a, const Mapping& b) {
  if (&a == &b) return true;
  if (a.items.size() != b.items.size()) return false;
  return std::ranges::all_of(a.items, [&](const auto& item) {
    const Value* other = b.find(item.first);
    return other != nullptr && equal(item.second, *other);
  });
}

}  // namespace

const Value* Mapping::find(const Value& key) const {
  if (const std::string* text = key.text_or_null()) return find(*text);
  for (const auto& [name, value] : items) {
    if (equal(name, key)) return &value;
  }
  return nullptr;
}

const Value* Mapping::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    const std::string* text = name.text_or_null();
    if (text != nullptr && *text == key) return &value;
  }
  return nullptr;
}

Value Value::undefined(std::string_view name) {
  return undefined_because(fmt::format("'{}' is undefined", name));
}

Value Value::text(std::string bytes, bool is_markup) {
  return Value(std::make_shared<const Text>(Text{std::move(bytes), is_markup}));
}

Value Value::list(std::vector<Value> items, ListKind kind) {
  auto made = std::make_shared<List>();
  for (const Value& item : items) account(item, *made);
  made->items = std::move(items);
  made->kind = kind;
  return Value(std::shared_ptr<const List>(std::move(made)));
}

Value Value::mapping(std::vector<std::pair<Value, Value>> items) {
  auto made = std::make_shared<Mapping>();
  for (auto& [key, value] : items) {
    if (!key.is_hashable()) {
      throw Error(Code::kInvalidArgument,
                  fmt::format("a {} cannot be the key of a mapping", key.type_name()));
    }
    if (const Value* same = made->find(key)) {
      const_cast<Value&>(*same) = std::move(value);
    } else {
      made->items.emplace_back(std::move(key), std::move(value));
    }
  }
  for (const auto& [key, value] : made->items) {
    account(key, *made);
    account(value, *made);
  }
  return Value(std::shared_ptr<const Mapping>(std::move(made)));
}

Value Value::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return integer(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::uint64_t(INT64_MAX)) return number(json.get<double>());
      return integer(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return number(json.get<double>());
    case Json::value_t::string:
      return text(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      // The keys of an object are unique already, so that a large one costs no look-ups.
      auto made = std::make_shared<Mapping>();
      for (const auto& [key, value] : json.items()) {
        made->items.emplace_back(text(key), from_json(value));
        account(made->items.back().first, *made);
        account(made->items.back().second, *made);
      }
      return Value(std::shared_ptr<const Mapping>(std::move(made)));
    }
    default:
      return none();
  }
}

double Value::as_number() const {
  if (is<double>()) return *get<double>();
  return double(as_integer());
}

std::int64_t Value::as_integer() const {
  if (is<bool>()) return *get<bool>() ? 1 : 0;
  if (is<double>()) return std::int64_t(*get<double>());
  return *get<std::int64_t>();
}

bool Value::is_true() const {
  if (is_undefined() || is_none()) return false;
  if (is<double>()) return *get<double>() != 0;
  if (is_numeric()) return as_integer() != 0;
  if (const auto* value = text_or_null()) return !value->empty();
  if (const auto* value = list_or_null()) return !value->items.empty();
  if (const auto* value = mapping_or_null()) return !value->items.empty();
  return true;  // A generator too: whether it gives anything is not known yet.
}

bool Value::is_hashable() const {
  const List* list = list_or_null();
  if (list == nullptr) return mapping_or_null() == nullptr;
  if (list->kind == ListKind::kRange) return true;
  return is_tuple(*list) && std::ranges::all_of(list->items, &Value::is_hashable);
}

std::string_view Value::type_name() const {
  if (const List* list = list_or_null()) {
    constexpr std::string_view kLists[] = {"list",      "tuple",       "tuple",     "range",
                                           "dict_keys", "dict_values", "dict_items"};
    return kLists[std::size_t(list->kind)];
  }
  constexpr std::string_view kNames[] = {"undefined", "None",  "bool",     "int",       "float",
                                         "str",       "list",  "dict",     "namespace", "generator",
                                         "loop",      "macro", "function", "method",    "function"};
  return kNames[storage_.index()];
}

int Value::depth() const {
  if (const auto* value = list_or_null()) return value->depth;
  if (const auto* value = mapping_or_null()) return value->depth;
  if (const auto* value = shared<Generator>()) return value->depth;
  if (const auto* value = get<Method>()) return value->object->depth() + 1;
  return 0;
}

std::uint64_t Value::weight() const {
  if (const auto* value = text_or_null()) return value->size() + 1;
  if (const auto* value = list_or_null()) return value->weight;
  if (const auto* value = mapping_or_null()) return value->weight;
  return 8;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_numeric() && b.is_numeric()) {
    if (!a.is<double>() && !b.is<double>()) return a.as_integer() == b.as_integer();
    return a.as_number() == b.as_number();
  }
  if (a.text_or_null() && b.text_or_null()) return *a.text_or_null() == *b.text_or_null();
  if (a.list_or_null() && b.list_or_null())
    return equal_lists(*a.list_or_null(), *b.list_or_null());
  if (a.mapping_or_null() && b.mapping_or_null()) {
    return equal_mappings(*a.mapping_or_null(), *b.mapping_or_null());
  }
  if (a.shared<Namespace>()) return a.shared<Namespace>() == b.shared<Namespace>();
  if (a.shared<Generator>()) return a.shared<Generator>() == b.shared<Generator>();
  if (a.shared<Loop>()) return a.shared<Loop>() == b.shared<Loop>();
  if (a.is<Macro>() && b.is<Macro>()) {
    return a.get<Macro>()->definition == b.get<Macro>()->definition &&
           a.get<Macro>()->scope == b.get<Macro>()->scope;
  }
  if (a.is<Function>() && b.is<Function>())
    return a.get<Function>()->name == b.get<Function>()->name;
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

int compare(const Value& a, const Value& b) {
  if (a.is_numeric() && b.is_numeric()) {
    if (!a.is<double>() && !b.is<double>()) {
      return a.as_integer() < b.as_integer() ? -1 : a.as_integer() > b.as_integer() ? 1 : 0;
    }
    const double left = a.as_number();
    const double right = b.as_number();
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (a.text_or_null() && b.text_or_null()) {
    const int order =
        a.text_or_null()->compare(*b.text_or_null());  // UTF-8 sorts like code points.
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  for (const Value* side : {&a, &b}) {
    if (side->is_undefined()) throw Error(Code::kInvalidArgument, side->get<Undefined>()->message);
  }
  const List* left = a.list_or_null();
  const List* right = b.list_or_null();
  const bool are_alike = left != nullptr && right != nullptr &&
                         ((is_tuple(*left) && is_tuple(*right)) ||
                          (left->kind == ListKind::kList && right->kind == ListKind::kList));
  if (!are_alike) {
    throw Error(Code::kInvalidArgument,
                fmt::format("cannot order {} and {}", a.type_name(), b.type_name()));
  }
  for (std::size_t i = 0; i < std::min(left->items.size(), right->items.size()); ++i) {
    if (!equal(left->items[i], right->items[i])) return compare(left->items[i], right->items[i]);
  }
  return left->items.size() < right->items.size()   ? -1
         : left->items.size() > right->items.size() ? 1
                                                    : 0;
}

}  // namespace panal::chat::detail
