// Expressions: operators, comparisons, slices, literals.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/html.h"
#include "chat/detail/formatting.h"
#include "chat/detail/interpreter.h"
#include "chat/detail/operators.h"
#include "chat/detail/print.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

using Kind = Expression::Kind;

constexpr int kMaxDepth = 300;  // Of expressions, blocks and macro calls together.

// Text that is put into markup is escaped, unless it is markup itself.
std::string for_markup(const Value& text) {
  return text.is_markup() ? *text.text_or_null() : escaped_html(*text.text_or_null());
}

}  // namespace

std::string Interpreter::printed(const Value& value) {
  charge(value.weight() / kBytesPerStep + 1);
  std::string text;
  print(value, text);
  return text;
}

Value Interpreter::lookup(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return found->second;
  }
  for (const std::string_view function :
       {"range", "namespace", "dict", "raise_exception", "strftime_now", "joiner", "cycler"}) {
    if (function == name) return Value(Function{function});
  }
  return Value::undefined(name);
}

Value Interpreter::evaluate(const Expression& expression) {
  charge(1);
  if (++depth_ > kMaxDepth) throw Error(Code::kResourceExhausted, "nested too deep");
  line_ = expression.line;
  Value value = evaluate_kind(expression);
  --depth_;
  return value;
}

std::vector<Value> Interpreter::evaluate_children(const Expression& expression) {
  std::vector<Value> values;
  for (const auto& child : expression.children) values.push_back(evaluate(*child));
  return values;
}

Value Interpreter::evaluate_kind(const Expression& expression) {
  const auto child = [&](std::size_t i) { return evaluate(*expression.children[i]); };
  switch (expression.kind) {
    case Kind::kLiteral:
      return expression.literal;
    case Kind::kName:
      return lookup(expression.text);
    case Kind::kList:
      return make_list(evaluate_children(expression));
    case Kind::kTuple:
      return make_list(evaluate_children(expression), ListKind::kTuple);
    case Kind::kMapping:
      return evaluate_mapping(expression);
    case Kind::kAttribute:
      return attribute(child(0), expression.text);
    case Kind::kIndex: {
      const Value object = child(0);
      return index(object, child(1));
    }
    case Kind::kSlice:
      return evaluate_slice(expression);
    case Kind::kCall:
      return evaluate_call(expression);
    case Kind::kFilter: {
      const Value value = child(0);
      const Arguments arguments = evaluate_arguments(expression);
      line_ = expression.line;
      return apply_filter(expression.text, value, arguments);
    }
    case Kind::kTest: {
      const Value value = child(0);
      const Arguments arguments = evaluate_arguments(expression);
      line_ = expression.line;
      return Value::boolean(apply_test(expression.text, value, arguments));
    }
    case Kind::kNot:
      return Value::boolean(!child(0).is_true());
    case Kind::kNegate:
    case Kind::kPlus:
      return evaluate_sign(expression);
    case Kind::kBinary: {
      const Value left = child(0);
      const Value right = child(1);
      line_ = expression.line;
      return binary(expression.text, left, right);
    }
    case Kind::kCompare:
      return evaluate_compare(expression);
    case Kind::kAnd: {
      const Value left = child(0);
      return left.is_true() ? child(1) : left;
    }
    case Kind::kOr: {
      const Value left = child(0);
      return left.is_true() ? left : child(1);
    }
    case Kind::kTernary:
      if (child(0).is_true()) return child(1);
      if (expression.children[2]) return child(2);
      return Value::undefined_because(
          "an \"if\" without an \"else\" came out false, and its value was used");
  }
  return {};
}

Value Interpreter::evaluate_sign(const Expression& expression) {
  const Value value = evaluate(*expression.children[0]);
  if (!value.is_numeric()) throw type_error("-", Value::integer(0), value);
  if (value.is<double>()) {
    return Value::number(expression.kind == Kind::kPlus ? value.as_number() : -value.as_number());
  }
  return arithmetic(expression.kind == Kind::kPlus ? "+" : "-", Value::integer(0), value);
}

Value Interpreter::evaluate_mapping(const Expression& expression) {
  std::vector<std::pair<Value, Value>> items;
  for (std::size_t i = 0; i + 1 < expression.children.size(); i += 2) {
    Value key = evaluate(*expression.children[i]);
    items.emplace_back(std::move(key), evaluate(*expression.children[i + 1]));
  }
  return make_mapping(std::move(items));
}

Value Interpreter::repeated(const Value& items, std::int64_t count) {
  const auto times = std::size_t(std::max<std::int64_t>(0, count));
  const std::uint64_t weight = items.weight();
  constexpr std::uint64_t kMaxWeight = std::uint64_t{16} << 20;
  if (times > kMaxWeight / weight)
    throw Error(Code::kResourceExhausted, "something repeated is too long");
  charge(times * weight / kBytesPerStep + 1);
  if (const std::string* text = items.text_or_null()) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += *text;
    return make_text(std::move(out), items.is_markup());
  }
  const List& list = *items.list_or_null();
  std::vector<Value> out;
  for (std::size_t i = 0; i < times; ++i)
    out.insert(out.end(), list.items.begin(), list.items.end());
  return make_list(std::move(out), list.kind);
}

Value Interpreter::binary(std::string_view sign, const Value& left, const Value& right) {
  if (left.is_numeric() && right.is_numeric() && sign != "~") return arithmetic(sign, left, right);
  const bool has_markup = left.is_markup() || right.is_markup();
  if (sign == "~") return make_text(printed(left) + printed(right));
  if (sign == "+" && left.text_or_null() && right.text_or_null()) {
    charge((left.weight() + right.weight()) / kBytesPerStep);
    if (!has_markup) return make_text(*left.text_or_null() + *right.text_or_null());
    return make_text(for_markup(left) + for_markup(right), true);
  }
  if (sign == "%" && left.text_or_null()) {
    if (has_markup) throw Error(Code::kUnsupported, "% of a string made by \"safe\"");
    charge(right.weight() / kBytesPerStep + 1);
    return make_text(percent_formatted(*left.text_or_null(), right));
  }
  const auto can_repeat = [](const Value& value) {
    const List* list = value.list_or_null();
    return value.text_or_null() != nullptr ||
           (list != nullptr && (list->kind == ListKind::kList || list->kind == ListKind::kTuple));
  };
  const auto is_count = [](const Value& value) { return value.is_integer() || value.is<bool>(); };
  if (sign == "*" && can_repeat(left) && is_count(right)) return repeated(left, right.as_integer());
  if (sign == "*" && can_repeat(right) && is_count(left)) return repeated(right, left.as_integer());
  const List* left_list = left.list_or_null();
  const List* right_list = right.list_or_null();
  if (sign == "+" && left_list && right_list && left_list->kind == right_list->kind &&
      can_repeat(left)) {
    charge(left_list->items.size() + right_list->items.size());
    std::vector<Value> items = left_list->items;
    items.insert(items.end(), right_list->items.begin(), right_list->items.end());
    return Value::list(std::move(items), left_list->kind);
  }
  throw type_error(sign, left, right);
}

Value Interpreter::evaluate_compare(const Expression& expression) {
  Value left = evaluate(*expression.children[0]);
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    Value right = evaluate(*expression.children[i + 1]);
    line_ = expression.line;
    const std::string& sign = expression.names[i];
    bool holds = false;
    if (sign == "in" || sign == "not in") {
      holds = contains(right, left) == (sign == "in");
    } else {
      charge(std::min(left.weight(), right.weight()) / kBytesPerStep + 1);
      if (sign == "==" || sign == "!=") {
        holds = equal(left, right) == (sign == "==");
      } else {
        const int order = compare(left, right);
        holds = (sign == "<" && order < 0) || (sign == "<=" && order <= 0) ||
                (sign == ">" && order > 0) || (sign == ">=" && order >= 0);
      }
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = evaluate(*expression.children[0]);
  std::optional<std::int64_t> bounds[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (!expression.children[i + 1]) continue;
    const Value bound = evaluate(*expression.children[i + 1]);
    if (bound.is_none()) continue;
    if (!bound.is_integer() && !bound.is<bool>()) {
      return Value::undefined_because(
          fmt::format("a slice needs integers, found {}", bound.type_name()));
    }
    bounds[i] = bound.as_integer();
  }
  const std::int64_t step = bounds[2].value_or(1);
  if (step == 0) throw Error(Code::kInvalidArgument, "a slice with step 0");
  const auto positions = [&](std::size_t size) {
    return slice_positions(std::int64_t(size), bounds[0], bounds[1], step);
  };
  if (const std::string* text = object.text_or_null()) {
    charge(text->size() / 8 + 1);
    const std::u32string characters = code_points(*text);
    std::u32string taken;
    for (const std::size_t at : positions(characters.size())) taken += characters[at];
    return make_text(utf8_of(taken), object.is_markup());
  }
  const List* list = object.list_or_null();
  if (list != nullptr && list->kind <= ListKind::kRange) {
    charge(list->items.size() + 1);
    std::vector<Value> taken;
    for (const std::size_t at : positions(list->items.size())) taken.push_back(list->items[at]);
    const bool stays = list->kind == ListKind::kList || list->kind == ListKind::kRange;
    return make_list(std::move(taken), stays ? list->kind : ListKind::kTuple);
  }
  return index(object, Value::none());
}

}  // namespace panal::chat::detail
