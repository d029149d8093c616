// The values a chat template computes with: Python's, as far as templates see them. Lists and
// mappings never change once made; only a namespace, a loop and a generator do, and they may not be
// put inside another value, so no cycle can arise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace panal::chat::detail {

struct Expression;
struct Statement;
struct Scope;
class Value;

struct Undefined {
  std::string message;  // What using it says: "'x' is undefined".
};
struct None {};
struct Text {
  std::string bytes;       // UTF-8.
  bool is_markup = false;  // Made by `safe` or `escape`: text joined to it is escaped.
};
/// What Python distinguishes by type: it decides how a list prints and what it equals.
enum class ListKind { kList, kTuple, kGroup, kRange, kKeys, kValues, kItems };
struct List {
  std::vector<Value> items;
  ListKind kind = ListKind::kList;
  int depth = 1;             // Levels of nesting, bounded so that no recursion overflows the stack.
  std::uint64_t weight = 1;  // Size when written out; [x, x] of an x that is [y, y] ... grows fast.
};
struct Mapping {
  std::vector<std::pair<Value, Value>> items;  // In order of insertion, keys unique and hashable.
  int depth = 1;
  std::uint64_t weight = 1;
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};
struct Namespace {
  std::map<std::string, Value, std::less<>> members;
};
/// What `map`, `select` and their like give: each item is made when it is asked for, once.
struct Generator {
  std::string name;                            // Of the filter that made it, for messages.
  std::function<std::optional<Value>()> next;  // Nothing at the end.
  int depth = 1;
};
struct Loop;
/// A macro, or the body of a `call` block: it sees the scope it was defined in.
struct Macro {
  const Statement* definition;  // Owned by the program, which outlives every value.
  std::shared_ptr<Scope> scope;
};
struct Function {
  std::string_view name;  // One of the template's globals: "range". Points to static text.
};
struct Method {
  std::shared_ptr<const Value> object;
  std::string name;
};
/// joiner() and cycler(): called, they go on.
struct Counter {
  bool is_joiner = false;
  std::vector<Value> items;  // Of a joiner, its separator.
  std::size_t at = 0;
};

/// Cheap to copy: strings, lists and mappings are shared by all values that hold them, and
/// constant.
class Value {
 public:
  using Storage =
      std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
                   std::shared_ptr<const List>, std::shared_ptr<const Mapping>,
                   std::shared_ptr<Namespace>, std::shared_ptr<Generator>, std::shared_ptr<Loop>,
                   Macro, Function, Method, std::shared_ptr<Counter>>;

  Value() = default;
  explicit Value(Storage storage) : storage_(std::move(storage)) {}
  /// "'NAME' is undefined".
  static Value undefined(std::string_view name);
  static Value undefined_because(std::string message) {
    return Value(Undefined{std::move(message)});
  }
  static Value none() { return Value(None{}); }
  static Value boolean(bool value) { return Value(Storage(value)); }
  static Value integer(std::int64_t value) { return Value(Storage(value)); }
  static Value number(double value) { return Value(Storage(value)); }
  static Value text(std::string bytes, bool is_markup = false);
  /// These throw Error(kResourceExhausted) for values nested deeper than 64 levels or of more than
  /// 16 MiB when written out, and Error(kUnsupported) for something that changes inside.
  static Value list(std::vector<Value> items, ListKind kind = ListKind::kList);
  /// Throws Error(kInvalidArgument) for a key that Python cannot hash. Of equal keys the first
  /// stays, with the last value. Cost: one lookup per item.
  static Value mapping(std::vector<std::pair<Value, Value>> items);
  static Value from_json(const Json& json);

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(storage_);
  }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&storage_);
  }
  /// What a shared_ptr alternative points to; nullptr for another kind.
  template <typename T>
  T* shared() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&storage_);
    return pointer != nullptr ? pointer->get() : nullptr;
  }
  bool is_undefined() const { return is<Undefined>(); }
  bool is_none() const { return is<None>(); }
  const std::string* text_or_null() const {
    const Text* text = shared<const Text>();
    return text != nullptr ? &text->bytes : nullptr;
  }
  bool is_markup() const {
    const Text* text = shared<const Text>();
    return text != nullptr && text->is_markup;
  }
  const List* list_or_null() const { return shared<const List>(); }
  const Mapping* mapping_or_null() const { return shared<const Mapping>(); }
  bool is_numeric() const { return is<bool>() || is_integer() || is<double>(); }
  bool is_integer() const { return is<std::int64_t>(); }
  bool is_callable() const {
    return is<Macro>() || is<Function>() || is<Method>() || is<std::shared_ptr<Counter>>();
  }
  /// Booleans count as 0 and 1, as in Python. Only for numeric values.
  double as_number() const;
  std::int64_t as_integer() const;

  bool is_true() const;
  /// Whether it can be a key of a mapping.
  bool is_hashable() const;
  /// Python's names: "str", "dict".
  std::string_view type_name() const;
  int depth() const;
  /// About the bytes of the value when written out.
  std::uint64_t weight() const;

 private:
  Storage storage_;
};

/// One `for`: what its variable `loop` shows. Items are taken from `source` as they are needed,
/// since the condition of a loop may read what earlier turns of its body wrote.
struct Loop {
  const Statement* statement = nullptr;
  std::shared_ptr<Scope> outside;  // Where the loop stands.
  std::function<std::optional<Value>()> next;
  std::vector<Value> items;  // Those taken so far.
  std::int64_t index0 = -1;
  int depth0 = 0;
  std::optional<Value> last_changed;
};

bool equal(const Value& a, const Value& b);
/// -1, 0, 1; throws Error where Python raises TypeError.
int compare(const Value& a, const Value& b);

}  // namespace panal::chat::detail
