// Filters of lists. Those that are generators in Jinja are generators here: their items are made
// when they are asked for, once, and they count as true and have no length.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "chat/detail/builtins.h"
#include "chat/detail/text.h"
#include "chat/detail/text_search.h"

namespace panal::chat::detail {
namespace {

using I = Interpreter;
using V = Value;
using A = BoundArguments;

Value folded(I& interpreter, const Value& value, bool is_case_sensitive) {
  if (is_case_sensitive || value.text_or_null() == nullptr) return value;
  return interpreter.make_text(lower(*value.text_or_null()));
}

Source nothing() {
  return []() -> std::optional<Value> { return std::nullopt; };
}

// A generator keeps its arguments; what changes must not be among them, or cycles could arise.
void check_kept(const Arguments& arguments) {
  for (const Value& value : arguments.values) Value::list({value});
  for (const auto& [name, value] : arguments.named) Value::list({value});
}

Arguments rest_of(const A& arguments, std::size_t first) {
  Arguments rest;
  rest.named = arguments.more_named();
  if (arguments.more().size() > first)
    rest.values.assign(arguments.more().begin() + std::ptrdiff_t(first), arguments.more().end());
  check_kept(rest);
  return rest;
}

const std::string& name_at(const A& arguments, std::size_t position, std::string_view of_what) {
  if (arguments.more()[position].text_or_null() == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs the name of a {}, found {}", arguments.what(), of_what,
                            arguments.more()[position].type_name()));
  }
  return *arguments.more()[position].text_or_null();
}

Value map(I& interpreter, const V& value, const A& arguments) {
  if (!value.is_true()) return interpreter.make_generator("map", nothing(), Value());
  const Source items = interpreter.source_of(value);
  if (arguments.more().empty()) {
    const BoundArguments by_name(arguments.what(), "attribute default?",
                                 {{}, arguments.more_named()});
    check_kept({{}, arguments.more_named()});
    const AttributePath path(interpreter, by_name.find(0), by_name.given(1));
    return interpreter.make_generator(
        "map",
        [items, path]() -> std::optional<Value> {
          std::optional<Value> item = items();
          if (item) item = path.of(*std::move(item));
          return item;
        },
        value);
  }
  const std::string filter = name_at(arguments, 0, "filter");
  if (find_filter(filter) == nullptr)
    throw Error(Code::kUnsupported, fmt::format("the filter \"{}\" is not known here", filter));
  return interpreter.make_generator(
      "map",
      [&interpreter, items, filter, rest = rest_of(arguments, 1)]() -> std::optional<Value> {
        std::optional<Value> item = items();
        if (item) item = interpreter.apply_filter(filter, *item, rest);
        return item;
      },
      value);
}

// select, reject, selectattr, rejectattr.
template <bool Keeps, bool ByAttribute>
Value select(I& interpreter, const V& value, const A& arguments) {
  constexpr std::size_t kFirst = ByAttribute ? 1 : 0;
  constexpr std::string_view kName =
      Keeps ? (ByAttribute ? "selectattr" : "select") : (ByAttribute ? "rejectattr" : "reject");
  if (!value.is_true()) return interpreter.make_generator(kName, nothing(), Value());
  if (arguments.more().size() < kFirst) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs the name of an attribute", arguments.what()));
  }
  const AttributePath path(interpreter, ByAttribute ? &arguments.more()[0] : nullptr);
  std::optional<std::string> test;
  if (arguments.more().size() > kFirst) {
    test = name_at(arguments, kFirst, "test");
    if (find_test(*test) == nullptr)
      throw Error(Code::kUnsupported, fmt::format("the test \"{}\" is not known here", *test));
  } else if (!arguments.more_named().empty()) {
    throw Error(Code::kInvalidArgument, fmt::format("{} has no argument \"{}\"", arguments.what(),
                                                    arguments.more_named()[0].first));
  }
  return interpreter.make_generator(
      kName,
      [&interpreter, items = interpreter.source_of(value), path, test,
       rest = rest_of(arguments, kFirst + 1)]() -> std::optional<Value> {
        while (std::optional<Value> item = items()) {
          const Value subject = path.of(*item);
          const bool holds =
              test ? interpreter.apply_test(*test, subject, rest) : subject.is_true();
          if (holds == Keeps) return item;
        }
        return std::nullopt;
      },
      value);
}

Value unique(I& interpreter, const V& value, const A& arguments) {
  const bool is_case_sensitive = arguments.flag(0, false);
  const AttributePath path(interpreter, arguments.given(1));
  return interpreter.make_generator(
      "unique",
      [&interpreter, items = interpreter.source_of(value), path, is_case_sensitive,
       seen = std::vector<Value>()]() mutable -> std::optional<Value> {
        while (std::optional<Value> item = items()) {
          const Value key = folded(interpreter, path.of(*item), is_case_sensitive);
          if (!key.is_hashable()) {
            throw Error(Code::kInvalidArgument,
                        fmt::format("unique cannot tell values of type {} apart", key.type_name()));
          }
          interpreter.charge(seen.size() * (key.weight() / kBytesPerStep + 1));
          const bool is_new =
              std::ranges::none_of(seen, [&](const Value& other) { return equal(other, key); });
          if (!is_new) continue;
          seen.push_back(key);
          return item;
        }
        return std::nullopt;
      },
      value);
}

void sort_by(std::vector<std::pair<Value, Value>>& keyed, bool is_down) {
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    return is_down ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0;
  });
}

Value sort(I& interpreter, const V& value, const A& arguments) {
  const bool is_case_sensitive = arguments.flag(1, false);
  // "a,b" sorts by both.
  std::vector<AttributePath> paths;
  if (const Value* given = arguments.given(2); given != nullptr && given->text_or_null()) {
    std::string_view rest = *given->text_or_null();
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
      comma = rest.find(',');
      const Value part = Value::text(std::string(rest.substr(0, comma)));
      paths.emplace_back(interpreter, &part);
      if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
    }
  } else {
    paths.emplace_back(interpreter, given);
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : interpreter.items_of(value)) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths)
      keys.push_back(folded(interpreter, path.of(item), is_case_sensitive));
    keyed.emplace_back(Value::list(std::move(keys)), std::move(item));
  }
  interpreter.charge(keyed.size() * 20);
  sort_by(keyed, arguments.flag(0, false));
  std::vector<Value> items;
  for (auto& pair : keyed) items.push_back(std::move(pair.second));
  return interpreter.make_list(std::move(items));
}

Value dict_sort(I& interpreter, const V& value, const A& arguments) {
  const Mapping* mapping = value.mapping_or_null();
  if (mapping == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs a mapping, found {}", arguments.what(), value.type_name()));
  }
  const std::string by = arguments.has(1) ? arguments.text(1) : "key";
  if (by != "key" && by != "value") arguments.refuse(1, "\"key\" or \"value\"");
  const bool is_case_sensitive = arguments.flag(0, false);
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, item] : mapping->items) {
    keyed.emplace_back(folded(interpreter, by == "key" ? key : item, is_case_sensitive),
                       Value::list({key, item}, ListKind::kTuple));
  }
  interpreter.charge(keyed.size() * 20);
  sort_by(keyed, arguments.flag(2, false));
  std::vector<Value> pairs;
  for (auto& pair : keyed) pairs.push_back(std::move(pair.second));
  return interpreter.make_list(std::move(pairs));
}

Value group_by(I& interpreter, const V& value, const A& arguments) {
  const AttributePath path(interpreter, arguments.find(0), arguments.given(1));
  const bool is_case_sensitive = arguments.flag(2, false);
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : interpreter.items_of(value))
    keyed.emplace_back(folded(interpreter, path.of(item), is_case_sensitive), std::move(item));
  interpreter.charge(keyed.size() * 20);
  sort_by(keyed, false);
  std::vector<Value> groups;
  for (std::size_t at = 0; at < keyed.size();) {
    std::size_t end = at;
    std::vector<Value> members;
    while (end < keyed.size() && equal(keyed[end].first, keyed[at].first))
      members.push_back(keyed[end++].second);
    Value name = path.of(members.front());
    groups.push_back(Value::list({std::move(name), interpreter.make_list(std::move(members))},
                                 ListKind::kGroup));
    at = end;
  }
  return interpreter.make_list(std::move(groups));
}

template <int WantedOrder>
Value extreme(I& interpreter, const V& value, const A& arguments) {
  const AttributePath path(interpreter, arguments.given(1));
  const bool is_case_sensitive = arguments.flag(0, false);
  const std::vector<Value> items = interpreter.items_of(value);
  if (items.empty()) return Value::undefined_because("No aggregated item, sequence was empty.");
  const Value* best = &items[0];
  Value best_key = folded(interpreter, path.of(items[0]), is_case_sensitive);
  for (const Value& item : items) {
    Value key = folded(interpreter, path.of(item), is_case_sensitive);
    if (&item == best || compare(key, best_key) != WantedOrder) continue;
    best = &item;
    best_key = std::move(key);
  }
  return *best;
}

Value sum(I& interpreter, const V& value, const A& arguments) {
  const AttributePath path(interpreter, arguments.given(0));
  Value total = arguments.has(1) ? arguments.at(1) : Value::integer(0);
  if (total.text_or_null()) arguments.refuse(1, "something other than a string");
  for (Value& item : interpreter.items_of(value))
    total = interpreter.binary("+", total, path.of(std::move(item)));
  return total;
}

Value join(I& interpreter, const V& value, const A& arguments) {
  const std::string between = arguments.has(0) ? interpreter.printed(arguments.at(0)) : "";
  const AttributePath path(interpreter, arguments.given(1));
  std::string out;
  bool is_first = true;
  for (Value& item : interpreter.items_of(value)) {
    if (!is_first) out += between;
    is_first = false;
    interpreter.charge(between.size() / kBytesPerStep + 1);
    out += interpreter.printed(path.of(std::move(item)));
    if (out.size() > kMaxTextBytes)
      throw Error(Code::kResourceExhausted, "a joined string is too long");
  }
  return interpreter.make_text(std::move(out));
}

Value first(I& interpreter, const V& value, const A&) {
  const std::optional<Value> item = interpreter.source_of(value)();
  return item ? *item : Value::undefined_because("No first item, sequence was empty.");
}

void check_reversible(const V& value, const A& arguments) {
  if (value.shared<Generator>() == nullptr) return;
  throw Error(Code::kInvalidArgument,
              fmt::format("{} needs a list; write \"| list\" before it", arguments.what()));
}

Value last(I& interpreter, const V& value, const A& arguments) {
  check_reversible(value, arguments);
  const std::vector<Value> items = interpreter.items_of(value);
  return items.empty() ? Value::undefined_because("No last item, sequence was empty.")
                       : items.back();
}

Source source_over(std::vector<Value> items) {
  return [items = std::move(items), at = std::size_t{0}]() mutable -> std::optional<Value> {
    if (at == items.size()) return std::nullopt;
    return items[at++];
  };
}

Value reverse(I& interpreter, const V& value, const A&) {
  if (const auto* text = value.text_or_null()) {
    std::u32string all = code_points(*text);
    std::ranges::reverse(all);
    return interpreter.make_text(utf8_of(all), value.is_markup());
  }
  std::vector<Value> items = interpreter.items_of(value);
  std::ranges::reverse(items);
  if (value.shared<Generator>() != nullptr) return interpreter.make_list(std::move(items));
  return interpreter.make_generator("reverse", source_over(std::move(items)), value);
}

Value list(I& interpreter, const V& value, const A&) {
  return interpreter.make_list(interpreter.items_of(value));
}

Value items(I& interpreter, const V& value, const A& arguments) {
  if (value.is_undefined()) return interpreter.make_generator("items", nothing(), Value());
  if (value.mapping_or_null() == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs a mapping, found {}", arguments.what(), value.type_name()));
  }
  std::vector<Value> pairs = interpreter.items_of(interpreter.call_method(value, "items", {}));
  return interpreter.make_generator("items", source_over(std::move(pairs)), value);
}

Value batch(I& interpreter, const V& value, const A& arguments) {
  const std::int64_t size = arguments.integer(0);
  if (size < 1) arguments.refuse(0, "at least 1");
  std::vector<Value> batches;
  std::vector<Value> batch;
  const auto close = [&] {
    if (const Value* filling = arguments.given(1)) {
      for (auto i = std::int64_t(batch.size()); i < size; ++i) {
        interpreter.charge(1);
        batch.push_back(*filling);
      }
    }
    batches.push_back(interpreter.make_list(std::exchange(batch, {})));
  };
  for (Value& item : interpreter.items_of(value)) {
    if (std::int64_t(batch.size()) == size)
      batches.push_back(interpreter.make_list(std::exchange(batch, {})));
    batch.push_back(std::move(item));
  }
  if (!batch.empty()) close();
  return interpreter.make_generator("batch", source_over(std::move(batches)), value);
}

Value slice(I& interpreter, const V& value, const A& arguments) {
  const std::int64_t count = arguments.integer(0);
  if (count < 1) arguments.refuse(0, "at least 1");
  const std::vector<Value> all = interpreter.items_of(value);
  const std::int64_t each = std::int64_t(all.size()) / count;
  const std::int64_t with_extra = std::int64_t(all.size()) % count;
  std::vector<Value> slices;
  auto from = all.begin();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto to = from + each + (i < with_extra ? 1 : 0);
    std::vector<Value> part(from, to);
    if (arguments.given(1) != nullptr && i >= with_extra) part.push_back(arguments.at(1));
    slices.push_back(interpreter.make_list(std::move(part)));
    from = to;
  }
  return interpreter.make_generator("slice", source_over(std::move(slices)), value);
}

constexpr Filter kFilters[] = {
    {"batch", "linecount fill_with?", batch},
    {"dictsort", "case_sensitive? by? reverse?", dict_sort},
    {"first", "", first},
    {"groupby", "attribute default? case_sensitive?", group_by},
    {"items", "", items},
    {"join", "d? attribute?", join},
    {"last", "", last},
    {"list", "", list},
    {"map", "* **", map},
    {"max", "case_sensitive? attribute?", extreme<1>},
    {"min", "case_sensitive? attribute?", extreme<-1>},
    {"reject", "* **", select<false, false>},
    {"rejectattr", "* **", select<false, true>},
    {"reverse", "", reverse},
    {"select", "* **", select<true, false>},
    {"selectattr", "* **", select<true, true>},
    {"slice", "slices fill_with?", slice},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"sum", "attribute? start?", sum},
    {"unique", "case_sensitive? attribute?", unique},
};

}  // namespace

std::span<const Filter> list_filters() { return kFilters; }

AttributePath::AttributePath(Interpreter& interpreter, const Value* path, const Value* fallback)
    : interpreter_(interpreter) {
  if (fallback != nullptr) fallback_ = *fallback;
  if (path == nullptr || path->is_none()) return;
  if (path->text_or_null() == nullptr) {
    parts_.push_back(*path);
    return;
  }
  std::string_view rest = *path->text_or_null();
  for (std::size_t dot = 0; dot != std::string_view::npos;) {
    dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const auto position = position_of(part);
    parts_.push_back(position ? Value::integer(std::int64_t(*position))
                              : Value::text(std::string(part)));
    if (dot != std::string_view::npos) rest.remove_prefix(dot + 1);
  }
}

Value AttributePath::of(Value item) const {
  for (const Value& part : parts_) {
    item = interpreter_.index(item, part);
    if (item.is_undefined() && fallback_) item = *fallback_;
  }
  return item;
}

}  // namespace panal::chat::detail
