// Calls: macros, the functions every template has, recursive loops.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "chat/detail/builtins.h"
#include "chat/detail/interpreter.h"

namespace panal::chat::detail {
namespace {

constexpr std::size_t kMaxTimeBytes = 1024;
constexpr std::size_t kMaxRange = 100'000;

// datetime.strftime() of a time without a zone: %f, %z and %Z are Python's, the rest is C's.
std::string formatted_time(const std::string& format, const std::tm& time) {
  std::string plain;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      plain += format[i];
      continue;
    }
    const char kind = format[++i];
    if (kind == 'f') {
      plain += "000000";
    } else if (kind != 'z' && kind != 'Z') {
      plain += {'%', kind};
    }
  }
  if (plain.empty()) return "";
  std::array<char, kMaxTimeBytes> buffer{};
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), plain.c_str(), &time);
  if (size == 0) {
    throw Error(Code::kInvalidArgument,
                fmt::format("strftime_now() cannot write \"{}\"", format.substr(0, 60)));
  }
  return std::string(buffer.data(), size);
}

std::vector<std::pair<Value, Value>> pairs_of(Interpreter& interpreter, const Value& value) {
  if (const Mapping* mapping = value.mapping_or_null()) return mapping->items;
  std::vector<std::pair<Value, Value>> pairs;
  for (const Value& item : interpreter.items_of(value)) {
    const std::vector<Value> pair = interpreter.items_of(item);
    if (pair.size() != 2) {
      throw Error(Code::kInvalidArgument,
                  fmt::format("a mapping is made of pairs, found {} values", pair.size()));
    }
    pairs.emplace_back(pair[0], pair[1]);
  }
  return pairs;
}

std::vector<Value> range_items(Interpreter& interpreter, const BoundArguments& arguments) {
  const bool has_start = arguments.has(1);
  const std::int64_t start = has_start ? arguments.integer(0) : 0;
  const std::int64_t stop = arguments.integer(has_start ? 1 : 0);
  const std::int64_t step = arguments.integer(2, 1);
  if (step == 0) throw Error(Code::kInvalidArgument, "range() with step 0");
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    interpreter.charge(1);
    if (items.size() == kMaxRange) {  // As Jinja's sandbox.
      throw Error(Code::kResourceExhausted, fmt::format("a range of more than {}", kMaxRange));
    }
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return items;
}

}  // namespace

Arguments Interpreter::evaluate_arguments(const Expression& expression) {
  Arguments arguments;
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    Value value = evaluate(*expression.children[i + 1]);
    const std::string& name = expression.names[i];
    if (name.empty()) {
      arguments.values.push_back(std::move(value));
    } else if (name == "*") {
      for (Value& item : items_of(value)) arguments.values.push_back(std::move(item));
    } else if (name == "**") {
      const Mapping* mapping = value.mapping_or_null();
      if (mapping == nullptr) throw Error(Code::kInvalidArgument, "** needs a mapping");
      charge(mapping->items.size() + 1);
      for (const auto& [key, item] : mapping->items) {
        if (key.text_or_null() == nullptr)
          throw Error(Code::kInvalidArgument, "names of arguments must be strings");
        arguments.named.emplace_back(*key.text_or_null(), item);
      }
    } else {
      arguments.named.emplace_back(name, std::move(value));
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& expression) {
  const Expression& callee = *expression.children[0];
  if (callee.kind == Expression::Kind::kAttribute) {
    const Value object = evaluate(*callee.children[0]);
    if (is_method(object, callee.text)) {
      const Arguments arguments = evaluate_arguments(expression);
      line_ = expression.line;
      return call_method(object, callee.text, arguments);
    }
    const Value found = attribute(object, callee.text);
    const Arguments arguments = evaluate_arguments(expression);
    line_ = expression.line;
    return call(found, arguments);
  }
  const Value found = evaluate(callee);
  const Arguments arguments = evaluate_arguments(expression);
  line_ = expression.line;
  return call(found, arguments);
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (const auto* function = callee.get<Function>())
    return call_function(function->name, arguments);
  if (const auto* macro = callee.get<Macro>()) return call_macro(*macro, arguments);
  if (const auto* method = callee.get<Method>())
    return call_method(*method->object, method->name, arguments);
  if (auto* counter = callee.shared<Counter>(); counter != nullptr && counter->is_joiner)
    return call_counter(*counter, arguments);
  if (auto* loop = callee.shared<Loop>()) return call_loop(*loop, arguments);
  if (callee.is_undefined()) {
    throw Error(Code::kInvalidArgument, callee.get<Undefined>()->message + " and cannot be called");
  }
  throw Error(Code::kInvalidArgument,
              fmt::format("a value of type {} cannot be called", callee.type_name()));
}

void Interpreter::bind_parameters(const Statement& macro, const Arguments& arguments) {
  // Of a `call` block the first expression is the call itself.
  const std::size_t first_default = macro.kind == Statement::Kind::kCallBlock ? 1 : 0;
  const std::size_t num_defaults = macro.expressions.size() - first_default;
  const std::size_t num_required = macro.names.size() - num_defaults;
  std::vector<std::pair<std::string, Value>> named = arguments.named;
  const auto take_named = [&](std::string_view name) -> std::optional<Value> {
    const auto found = std::ranges::find(named, name, &std::pair<std::string, Value>::first);
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  for (std::size_t i = 0; i < macro.names.size(); ++i) {
    const std::string& name = macro.names[i];
    std::optional<Value> value;
    if (i < arguments.values.size()) {
      value = arguments.values[i];
    } else {
      value = take_named(name);
    }
    if (!value && i >= num_required)
      value = evaluate(*macro.expressions[first_default + i - num_required]);
    scope_->variables[name] =
        value ? *std::move(value)
              : Value::undefined_because(fmt::format("parameter '{}' was not provided", name));
  }
  if (macro.takes_caller) {
    const auto caller = take_named("caller");
    scope_->variables["caller"] = caller ? *caller : Value::undefined_because("No caller defined");
  }
  if (macro.takes_more) {
    const std::size_t taken = std::min(macro.names.size(), arguments.values.size());
    scope_->variables["varargs"] =
        make_list({arguments.values.begin() + std::ptrdiff_t(taken), arguments.values.end()},
                  ListKind::kTuple);
  } else if (arguments.values.size() > macro.names.size()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("macro \"{}\" takes at most {} arguments, found {}", macro.text,
                            macro.names.size(), arguments.values.size()));
  }
  if (macro.takes_more_named) {
    std::vector<std::pair<Value, Value>> items;
    for (auto& [name, value] : named) items.emplace_back(Value::text(name), std::move(value));
    scope_->variables["kwargs"] = make_mapping(std::move(items));
  } else if (!named.empty()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("macro \"{}\" has no argument \"{}\"", macro.text, named[0].first));
  }
}

Value Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  const std::shared_ptr<Scope> before = std::exchange(scope_, std::make_shared<Scope>());
  scope_->parent = macro.scope;
  bind_parameters(*macro.definition, arguments);
  std::string text;
  run_block(macro.definition->bodies[0], text);
  output_bytes_ -= text.size();
  scope_ = before;
  return make_text(std::move(text));
}

Value Interpreter::call_loop(Loop& loop, const Arguments& arguments) {
  const BoundArguments bound("loop()", "iterable", arguments);
  if (loop.outside == nullptr) {
    throw Error(Code::kInvalidArgument, "the loop must be marked recursive to be called");
  }
  const std::shared_ptr<Scope> before = std::exchange(scope_, loop.outside);
  std::string text;
  run_loop(*loop.statement, source_of(bound.at(0)), loop.depth0 + 1, text);
  output_bytes_ -= text.size();
  scope_ = before;
  return make_text(std::move(text));
}

Value Interpreter::call_counter(Counter& counter, const Arguments& arguments) {
  const BoundArguments bound("joiner()", "", arguments);
  const bool is_first = counter.at == 0;
  counter.at = 1;
  return is_first ? Value::text("") : counter.items[0];
}

Value Interpreter::call_function(std::string_view name, const Arguments& arguments) {
  const std::string what = fmt::format("{}()", name);
  if (name == "raise_exception") {
    const BoundArguments bound(what, "message", arguments);
    throw Refusal(printed(bound.at(0)));
  }
  if (name == "range") {
    return make_list(range_items(*this, BoundArguments(what, "start stop? step? /", arguments)),
                     ListKind::kRange);
  }
  if (name == "strftime_now") {
    const BoundArguments bound(what, "format", arguments);
    if (!now_) {
      throw Error(Code::kUnsupported, "strftime_now() needs a date, and none was given here");
    }
    return make_text(formatted_time(bound.text(0), *now_));
  }
  if (name == "joiner" || name == "cycler") {
    const bool is_joiner = name == "joiner";
    const BoundArguments bound(what, is_joiner ? "sep?" : "*", arguments);
    auto counter = std::make_shared<Counter>();
    counter->is_joiner = is_joiner;
    counter->items =
        is_joiner ? std::vector{bound.has(0) ? bound.at(0) : Value::text(", ")} : bound.more();
    if (counter->items.empty())
      throw Error(Code::kInvalidArgument, "cycler() needs at least one item");
    for (const Value& item : counter->items) Value::list({item});  // Nothing that changes inside.
    return Value(std::move(counter));
  }
  const BoundArguments bound(what, "mapping? / **", arguments);
  std::vector<std::pair<Value, Value>> items;
  if (bound.has(0)) items = pairs_of(*this, bound.at(0));
  for (const auto& [key, value] : bound.more_named()) items.emplace_back(Value::text(key), value);
  if (name == "dict") return make_mapping(std::move(items));
  charge(items.size() + 1);
  auto space = std::make_shared<Namespace>();
  for (auto& [key, value] : items) {
    if (key.text_or_null() == nullptr)
      throw Error(Code::kInvalidArgument, "names of a namespace must be strings");
    set_member(*space, *key.text_or_null(), value);
  }
  return Value(std::move(space));
}

}  // namespace panal::chat::detail
