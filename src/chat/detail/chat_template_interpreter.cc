#include "chat/detail/chat_template_interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"

namespace panal::chat::detail {
namespace {

using Kind = Expression::Kind;

constexpr std::uint64_t kMaxSteps = 2'000'000;
constexpr std::size_t kMaxOutputBytes = std::size_t{16} << 20;
constexpr int kMaxDepth = 300;  // Of expressions, blocks and macro calls together.
constexpr std::size_t kBytesPerStep = 64;

Error type_error(std::string_view sign, const TemplateValue& a, const TemplateValue& b) {
  return Error(Code::kInvalidArgument,
               fmt::format("{} {} {} is not possible", a.type_name(), sign, b.type_name()));
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

TemplateValue integer_arithmetic(const std::string& sign, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflows = false;
  if (sign == "+") {
    overflows = __builtin_add_overflow(a, b, &result);
  } else if (sign == "-") {
    overflows = __builtin_sub_overflow(a, b, &result);
  } else if (sign == "*") {
    overflows = __builtin_mul_overflow(a, b, &result);
  } else if (b == 0) {
    throw Error(Code::kInvalidArgument, "division by zero");
  } else if (a == INT64_MIN && b == -1) {
    overflows = true;
  } else {
    const std::int64_t quotient = floor_divide(a, b);
    result = sign == "//" ? quotient : a - quotient * b;
  }
  if (overflows) throw Error(Code::kInvalidArgument, "an integer over 64 bits");
  return TemplateValue::integer(result);
}

TemplateValue float_arithmetic(const std::string& sign, double a, double b) {
  if (sign == "+") return TemplateValue::number(a + b);
  if (sign == "-") return TemplateValue::number(a - b);
  if (sign == "*") return TemplateValue::number(a * b);
  if (b == 0) throw Error(Code::kInvalidArgument, "division by zero");
  if (sign == "/") return TemplateValue::number(a / b);
  if (sign == "//") return TemplateValue::number(std::floor(a / b));
  return TemplateValue::number(a - std::floor(a / b) * b);
}

TemplateValue arithmetic(const std::string& sign, const TemplateValue& a, const TemplateValue& b) {
  const bool has_float = a.is<double>() || b.is<double>();
  if (sign == "**") {
    const double power = std::pow(a.as_number(), b.as_number());
    if (has_float || b.as_number() < 0) return TemplateValue::number(power);
    if (std::abs(power) > 9e15) throw Error(Code::kInvalidArgument, "a power over 64 bits");
    return TemplateValue::integer(std::llround(power));
  }
  if (has_float || sign == "/") return float_arithmetic(sign, a.as_number(), b.as_number());
  return integer_arithmetic(sign, a.as_integer(), b.as_integer());
}

// Python's slice.indices(): the positions a slice visits.
std::vector<std::size_t> slice_positions(std::int64_t size, std::optional<std::int64_t> start,
                                         std::optional<std::int64_t> stop, std::int64_t step) {
  const auto clamp = [&](std::int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return step > 0 ? std::clamp<std::int64_t>(at, 0, size)
                    : std::clamp<std::int64_t>(at, -1, size - 1);
  };
  const auto clamp_low = [&](std::int64_t at) {
    if (at < -size) return step > 0 ? std::int64_t{0} : std::int64_t{-1};
    return clamp(at);
  };
  const std::int64_t begin = start ? clamp_low(*start) : (step > 0 ? 0 : size - 1);
  const std::int64_t end = stop ? clamp_low(*stop) : (step > 0 ? size : -1);
  const std::int64_t stride = std::clamp<std::int64_t>(step, -(size + 1), size + 1);
  std::vector<std::size_t> positions;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += stride) {
    positions.push_back(std::size_t(at));
  }
  return positions;
}

}  // namespace

const TemplateValue* TemplateArguments::find(std::size_t position, std::string_view name) const {
  if (position < values.size()) return &values[position];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

TemplateInterpreter::TemplateInterpreter(Scope variables) {
  scopes_.push_back(std::move(variables));
  scopes_.emplace_back();
}

std::string TemplateInterpreter::run(const TemplateProgram& program) {
  std::string out;
  try {
    run_block(program.body, out);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("chat template, line {}: {}", line_, error.what()));
  }
  return out;
}

void TemplateInterpreter::charge(std::size_t steps) {
  steps_ += steps;
  if (steps_ > kMaxSteps) {
    throw Error(Code::kResourceExhausted, fmt::format("more than {} steps", kMaxSteps));
  }
}

TemplateValue TemplateInterpreter::make_text(std::string text) {
  charge(text.size() / kBytesPerStep + 1);
  return TemplateValue::text(std::move(text));
}

TemplateValue TemplateInterpreter::make_list(std::vector<TemplateValue> items) {
  charge(items.size() + 1);
  return TemplateValue::list(std::move(items));
}

std::string TemplateInterpreter::printed(const TemplateValue& value) {
  charge(value.weight() / kBytesPerStep + 1);
  std::string text;
  print(value, text);
  return text;
}

void TemplateInterpreter::append(std::string_view text, std::string& out) {
  output_bytes_ += text.size();
  if (output_bytes_ > kMaxOutputBytes) {
    throw Error(Code::kResourceExhausted,
                fmt::format("more than {} bytes of output", kMaxOutputBytes));
  }
  out += text;
}

TemplateInterpreter::Flow TemplateInterpreter::run_block(const Block& block, std::string& out) {
  if (++depth_ > kMaxDepth) throw Error(Code::kResourceExhausted, "nested too deep");
  Flow flow = Flow::kNormal;
  for (const auto& statement : block) {
    flow = run_statement(*statement, out);
    if (flow != Flow::kNormal) break;
  }
  --depth_;
  return flow;
}

TemplateInterpreter::Flow TemplateInterpreter::run_statement(const Statement& statement,
                                                             std::string& out) {
  charge(1);
  line_ = statement.line;
  switch (statement.kind) {
    case Statement::Kind::kText:
      append(statement.text, out);
      return Flow::kNormal;
    case Statement::Kind::kOutput:
      append(printed(evaluate(*statement.expressions[0])), out);
      return Flow::kNormal;
    case Statement::Kind::kFor:
      return run_for(statement, out);
    case Statement::Kind::kIf:
      return run_if(statement, out);
    case Statement::Kind::kSet:
      run_set(statement);
      return Flow::kNormal;
    case Statement::Kind::kSetBlock:
      run_set_block(statement);
      return Flow::kNormal;
    case Statement::Kind::kMacro:
      scopes_.back()[statement.text] = TemplateValue(TemplateMacro{&statement});
      return Flow::kNormal;
    case Statement::Kind::kBreak:
      return Flow::kBreak;
    case Statement::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

TemplateInterpreter::Flow TemplateInterpreter::run_if(const Statement& statement,
                                                      std::string& out) {
  for (std::size_t i = 0; i < statement.bodies.size(); ++i) {
    const bool is_else = i == statement.expressions.size();
    if (is_else || evaluate(*statement.expressions[i]).is_true()) {
      return run_block(statement.bodies[i], out);
    }
  }
  return Flow::kNormal;
}

TemplateInterpreter::Flow TemplateInterpreter::run_for(const Statement& statement,
                                                       std::string& out) {
  std::vector<TemplateValue> items = items_of(evaluate(*statement.expressions[0]));
  scopes_.emplace_back();
  if (statement.expressions.size() > 1) {
    std::vector<TemplateValue> kept;
    for (TemplateValue& item : items) {
      bind(statement.names, item, scopes_.back());
      if (evaluate(*statement.expressions[1]).is_true()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  const auto size = std::int64_t(items.size());
  for (std::int64_t i = 0; i < size; ++i) {
    charge(1);
    Scope& scope = scopes_.back();
    scope.clear();
    const auto neighbour = [&](std::int64_t at, std::string_view name) {
      const bool is_there = at >= 0 && at < size;
      return is_there ? items[std::size_t(at)] : TemplateValue::undefined(name);
    };
    scope["loop"] = TemplateValue::mapping({{"index", TemplateValue::integer(i + 1)},
                                            {"index0", TemplateValue::integer(i)},
                                            {"revindex", TemplateValue::integer(size - i)},
                                            {"revindex0", TemplateValue::integer(size - i - 1)},
                                            {"first", TemplateValue::boolean(i == 0)},
                                            {"last", TemplateValue::boolean(i + 1 == size)},
                                            {"length", TemplateValue::integer(size)},
                                            {"previtem", neighbour(i - 1, "loop.previtem")},
                                            {"nextitem", neighbour(i + 1, "loop.nextitem")}});
    bind(statement.names, items[std::size_t(i)], scope);
    if (run_block(statement.bodies[0], out) == Flow::kBreak) break;
  }
  scopes_.pop_back();
  if (size == 0 && statement.bodies.size() > 1) return run_block(statement.bodies[1], out);
  return Flow::kNormal;
}

void TemplateInterpreter::bind(const std::vector<std::string>& names, const TemplateValue& value,
                               Scope& scope) {
  if (names.size() == 1) {
    scope[names[0]] = value;
    return;
  }
  const std::vector<TemplateValue> items = items_of(value);
  if (items.size() != names.size()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("expected {} values to unpack, found {}", names.size(), items.size()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) scope[names[i]] = items[i];
}

void TemplateInterpreter::run_set(const Statement& statement) {
  const TemplateValue value = evaluate(*statement.expressions[0]);
  if (statement.text.empty()) {
    bind(statement.names, value, scopes_.back());
    return;
  }
  const TemplateValue* object = lookup(statement.text);
  if (object == nullptr || !object->is<TemplateValue::Namespace>()) {
    throw Error(
        Code::kInvalidArgument,
        fmt::format("cannot set an attribute of \"{}\": it is no namespace", statement.text));
  }
  if (value.is<TemplateValue::Namespace>()) {
    throw Error(Code::kUnsupported, "a namespace cannot be put inside another value");
  }
  (*object->get<TemplateValue::Namespace>())->members[statement.names[0]] = value;
}

void TemplateInterpreter::run_set_block(const Statement& statement) {
  std::string text;
  scopes_.emplace_back();
  const Flow flow = run_block(statement.bodies[0], text);
  if (flow != Flow::kNormal)
    throw Error(Code::kUnsupported, "break or continue inside a set block");
  scopes_.pop_back();
  TemplateValue value = make_text(std::move(text));
  if (!statement.expressions.empty()) {
    scopes_.emplace_back();
    scopes_.back()[""] = std::move(value);  // The parser gave the filtered content this name.
    TemplateValue filtered = evaluate(*statement.expressions[0]);
    scopes_.pop_back();
    value = std::move(filtered);
  }
  scopes_.back()[statement.names[0]] = std::move(value);
}

const TemplateValue* TemplateInterpreter::lookup(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return &found->second;
  }
  return nullptr;
}

TemplateValue TemplateInterpreter::evaluate(const Expression& expression) {
  charge(1);
  if (++depth_ > kMaxDepth) throw Error(Code::kResourceExhausted, "nested too deep");
  line_ = expression.line;
  TemplateValue value = evaluate_kind(expression);
  --depth_;
  return value;
}

std::vector<TemplateValue> TemplateInterpreter::evaluate_children(const Expression& expression,
                                                                  std::size_t first) {
  std::vector<TemplateValue> values;
  for (std::size_t i = first; i < expression.children.size(); ++i) {
    values.push_back(evaluate(*expression.children[i]));
  }
  return values;
}

TemplateValue TemplateInterpreter::evaluate_kind(const Expression& expression) {
  const auto child = [&](std::size_t i) { return evaluate(*expression.children[i]); };
  switch (expression.kind) {
    case Kind::kLiteral:
      return expression.literal;
    case Kind::kName: {
      const TemplateValue* found = lookup(expression.text);
      return found != nullptr ? *found : TemplateValue::undefined(expression.text);
    }
    case Kind::kList:
      return make_list(evaluate_children(expression, 0));
    case Kind::kTuple:
      return TemplateValue::list(evaluate_children(expression, 0), true);
    case Kind::kMapping:
      return evaluate_mapping(expression);
    case Kind::kAttribute:
      return attribute(child(0), expression.text);
    case Kind::kIndex: {
      const TemplateValue object = child(0);
      return index(object, child(1));
    }
    case Kind::kSlice:
      return evaluate_slice(expression);
    case Kind::kCall:
      return evaluate_call(expression);
    case Kind::kFilter: {
      const TemplateValue value = child(0);
      return apply_filter(expression.text, value, evaluate_arguments(expression));
    }
    case Kind::kTest:
      return evaluate_test(expression);
    case Kind::kNot:
      return TemplateValue::boolean(!child(0).is_true());
    case Kind::kNegate:
    case Kind::kPlus: {
      const TemplateValue value = child(0);
      if (!value.is_numeric()) throw type_error("-", TemplateValue::integer(0), value);
      if (expression.kind == Kind::kPlus) return value;
      return arithmetic("-", TemplateValue::integer(0), value);
    }
    case Kind::kBinary:
      return evaluate_binary(expression);
    case Kind::kCompare:
      return evaluate_compare(expression);
    case Kind::kAnd: {
      const TemplateValue left = child(0);
      return left.is_true() ? child(1) : left;
    }
    case Kind::kOr: {
      const TemplateValue left = child(0);
      return left.is_true() ? left : child(1);
    }
    case Kind::kTernary:
      if (child(0).is_true()) return child(1);
      return expression.children[2] ? child(2) : TemplateValue::undefined("an if without else");
  }
  return {};
}

TemplateValue TemplateInterpreter::evaluate_mapping(const Expression& expression) {
  std::vector<std::pair<std::string, TemplateValue>> items;
  for (std::size_t i = 0; i + 1 < expression.children.size(); i += 2) {
    const TemplateValue key = evaluate(*expression.children[i]);
    if (key.text_or_null() == nullptr) {
      throw Error(Code::kUnsupported,
                  fmt::format("keys must be strings, found {}", key.type_name()));
    }
    TemplateValue value = evaluate(*expression.children[i + 1]);
    charge(items.size() / 8 + 1);
    const auto same = std::find_if(items.begin(), items.end(), [&](const auto& item) {
      return item.first == *key.text_or_null();
    });
    if (same != items.end()) {
      same->second = std::move(value);
    } else {
      items.emplace_back(*key.text_or_null(), std::move(value));
    }
  }
  return TemplateValue::mapping(std::move(items));
}

TemplateValue TemplateInterpreter::evaluate_binary(const Expression& expression) {
  const TemplateValue left = evaluate(*expression.children[0]);
  const TemplateValue right = evaluate(*expression.children[1]);
  const std::string& sign = expression.text;
  if (sign == "~") return make_text(printed(left) + printed(right));
  if (left.is_numeric() && right.is_numeric()) return arithmetic(sign, left, right);
  const std::string* left_text = left.text_or_null();
  const std::string* right_text = right.text_or_null();
  const TemplateList* left_list = left.list_or_null();
  const TemplateList* right_list = right.list_or_null();
  if (sign == "+" && left_text && right_text) {
    charge((left_text->size() + right_text->size()) / kBytesPerStep);
    return make_text(*left_text + *right_text);
  }
  if (sign == "+" && left_list && right_list && left_list->is_tuple == right_list->is_tuple) {
    charge(left_list->items.size() + right_list->items.size());
    std::vector<TemplateValue> items = left_list->items;
    items.insert(items.end(), right_list->items.begin(), right_list->items.end());
    return TemplateValue::list(std::move(items), left_list->is_tuple);
  }
  if (sign == "*" && left_text && right.is_numeric() && !right.is<double>()) {
    const auto count = std::size_t(std::max<std::int64_t>(0, right.as_integer()));
    if (left_text->empty() || count == 0) return TemplateValue::text("");
    if (count > kMaxOutputBytes / left_text->size()) {
      throw Error(Code::kResourceExhausted, "a repeated string is too long");
    }
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += *left_text;
    return make_text(std::move(text));
  }
  if (left.is_undefined() || right.is_undefined()) {
    const TemplateValue& missing = left.is_undefined() ? left : right;
    throw Error(Code::kInvalidArgument,
                fmt::format("'{}' is undefined", missing.get<TemplateUndefined>()->name));
  }
  throw type_error(sign, left, right);
}

TemplateValue TemplateInterpreter::evaluate_compare(const Expression& expression) {
  TemplateValue left = evaluate(*expression.children[0]);
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    TemplateValue right = evaluate(*expression.children[i + 1]);
    const std::string& sign = expression.names[i];
    bool holds = false;
    if (sign == "==" || sign == "!=") {
      charge(std::min(left.weight(), right.weight()) / kBytesPerStep + 1);
      holds = equal(left, right) == (sign == "==");
    } else if (sign == "in" || sign == "not in") {
      holds = contains(right, left) == (sign == "in");
    } else {
      const int order = compare(left, right);
      holds = (sign == "<" && order < 0) || (sign == "<=" && order <= 0) ||
              (sign == ">" && order > 0) || (sign == ">=" && order >= 0);
    }
    if (!holds) return TemplateValue::boolean(false);
    left = std::move(right);
  }
  return TemplateValue::boolean(true);
}

bool TemplateInterpreter::contains(const TemplateValue& container, const TemplateValue& item) {
  if (const std::string* text = container.text_or_null()) {
    if (item.text_or_null() == nullptr) throw type_error("in", item, container);
    charge(text->size() / kBytesPerStep + 1);
    return text->find(*item.text_or_null()) != std::string::npos;
  }
  if (const TemplateList* list = container.list_or_null()) {
    charge(list->items.size() + list->weight / kBytesPerStep + 1);
    return std::any_of(list->items.begin(), list->items.end(),
                       [&](const TemplateValue& each) { return equal(each, item); });
  }
  if (const TemplateMapping* mapping = container.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    return item.text_or_null() != nullptr && mapping->find(*item.text_or_null()) != nullptr;
  }
  if (container.is_undefined()) return false;
  throw type_error("in", item, container);
}

TemplateValue TemplateInterpreter::evaluate_slice(const Expression& expression) {
  const TemplateValue object = evaluate(*expression.children[0]);
  std::optional<std::int64_t> bounds[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (!expression.children[i + 1]) continue;
    const TemplateValue bound = evaluate(*expression.children[i + 1]);
    if (bound.is_none()) continue;
    if (!bound.is_numeric() || bound.is<double>()) {
      throw Error(Code::kInvalidArgument, "a slice needs integers");
    }
    bounds[i] = bound.as_integer();
  }
  const std::int64_t step = bounds[2].value_or(1);
  if (step == 0) throw Error(Code::kInvalidArgument, "a slice with step 0");
  if (const std::string* text = object.text_or_null()) {
    charge(text->size() / 8 + 1);
    const std::u32string characters = code_points(*text);
    std::u32string taken;
    for (const std::size_t at :
         slice_positions(std::int64_t(characters.size()), bounds[0], bounds[1], step)) {
      taken += characters[at];
    }
    return make_text(utf8_of(taken));
  }
  if (const TemplateList* list = object.list_or_null()) {
    charge(list->items.size() + 1);
    std::vector<TemplateValue> taken;
    for (const std::size_t at :
         slice_positions(std::int64_t(list->items.size()), bounds[0], bounds[1], step)) {
      taken.push_back(list->items[at]);
    }
    return TemplateValue::list(std::move(taken), list->is_tuple);
  }
  throw Error(Code::kInvalidArgument, fmt::format("{} cannot be sliced", object.type_name()));
}

TemplateValue TemplateInterpreter::index(const TemplateValue& object, const TemplateValue& key) {
  if (const std::string* name = key.text_or_null()) {
    return attribute(object, *name);
  }
  const bool is_position = key.is_numeric() && !key.is<double>();
  if (const TemplateList* list = object.list_or_null(); list != nullptr && is_position) {
    const auto size = std::int64_t(list->items.size());
    const std::int64_t at = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
    if (at >= 0 && at < size) return list->items[std::size_t(at)];
    return TemplateValue::undefined(fmt::format("list element {}", key.as_integer()));
  }
  if (const std::string* text = object.text_or_null(); text != nullptr && is_position) {
    charge(text->size() / 8 + 1);
    const std::u32string characters = code_points(*text);
    const auto size = std::int64_t(characters.size());
    const std::int64_t at = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
    if (at >= 0 && at < size) return make_text(utf8_of(characters.substr(std::size_t(at), 1)));
    return TemplateValue::undefined(fmt::format("character {}", key.as_integer()));
  }
  if (object.is_undefined()) return attribute(object, "an index");
  return TemplateValue::undefined(fmt::format("an element of {}", object.type_name()));
}

TemplateValue TemplateInterpreter::attribute(const TemplateValue& object, std::string_view name) {
  if (const TemplateMapping* mapping = object.mapping_or_null()) {
    charge(mapping->items.size() / 8 + 1);
    const TemplateValue* found = mapping->find(name);
    return found != nullptr ? *found : TemplateValue::undefined(name);
  }
  if (const auto* space = object.get<TemplateValue::Namespace>()) {
    const auto found = (*space)->members.find(name);
    return found != (*space)->members.end() ? found->second : TemplateValue::undefined(name);
  }
  if (object.is_undefined()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("'{}' is undefined", object.get<TemplateUndefined>()->name));
  }
  return TemplateValue::undefined(name);
}

std::vector<TemplateValue> TemplateInterpreter::items_of(const TemplateValue& value) {
  if (const TemplateList* list = value.list_or_null()) {
    charge(list->items.size() + 1);
    return list->items;
  }
  std::vector<TemplateValue> items;
  if (const TemplateMapping* mapping = value.mapping_or_null()) {
    charge(mapping->items.size() + 1);
    for (const auto& item : mapping->items) items.push_back(TemplateValue::text(item.first));
    return items;
  }
  if (const std::string* text = value.text_or_null()) {
    charge(text->size() + 1);
    for (const char32_t character : code_points(*text)) {
      items.push_back(TemplateValue::text(utf8_of(std::u32string(1, character))));
    }
    return items;
  }
  if (value.is_undefined()) return items;
  throw Error(Code::kInvalidArgument, fmt::format("{} cannot be iterated", value.type_name()));
}

TemplateArguments TemplateInterpreter::evaluate_arguments(const Expression& expression) {
  TemplateArguments arguments;
  arguments.values = evaluate_children(expression, 1);
  const std::size_t first_named = arguments.values.size() - expression.names.size();
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    arguments.named.emplace_back(expression.names[i], std::move(arguments.values[first_named + i]));
  }
  arguments.values.resize(first_named);
  return arguments;
}

TemplateValue TemplateInterpreter::evaluate_test(const Expression& expression) {
  const TemplateValue value = evaluate(*expression.children[0]);
  return TemplateValue::boolean(apply_test(expression.text, value, evaluate_arguments(expression)));
}

TemplateValue TemplateInterpreter::evaluate_call(const Expression& expression) {
  const Expression& callee = *expression.children[0];
  if (callee.kind == Kind::kAttribute) {
    const TemplateValue object = evaluate(*callee.children[0]);
    const TemplateArguments arguments = evaluate_arguments(expression);
    line_ = expression.line;
    return call_method(object, callee.text, arguments);
  }
  if (callee.kind != Kind::kName)
    throw Error(Code::kUnsupported, "only named functions can be called");
  const TemplateArguments arguments = evaluate_arguments(expression);
  line_ = expression.line;
  const TemplateValue* value = lookup(callee.text);
  if (value == nullptr) return call_function(callee.text, arguments);
  const auto* macro = value->get<TemplateMacro>();
  if (macro == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("\"{}\" is {} and cannot be called", callee.text, value->type_name()));
  }
  return call_macro(*macro->definition, arguments);
}

TemplateValue TemplateInterpreter::call_macro(const Statement& macro,
                                              const TemplateArguments& arguments) {
  if (arguments.values.size() > macro.names.size()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("macro {} takes at most {} arguments, found {}", macro.text,
                            macro.names.size(), arguments.values.size()));
  }
  // A macro sees the template's variables, not those of the loop that calls it.
  std::vector<Scope> hidden;
  while (scopes_.size() > 2) {
    hidden.push_back(std::move(scopes_.back()));
    scopes_.pop_back();
  }
  scopes_.emplace_back();
  const std::size_t num_required = macro.names.size() - macro.expressions.size();
  for (std::size_t i = 0; i < macro.names.size(); ++i) {
    const TemplateValue* given = arguments.find(i, macro.names[i]);
    TemplateValue value = TemplateValue::undefined(macro.names[i]);
    if (given != nullptr) {
      value = *given;
    } else if (i >= num_required) {
      value = evaluate(*macro.expressions[i - num_required]);
    }
    scopes_.back()[macro.names[i]] = std::move(value);
  }
  std::string text;
  run_block(macro.bodies[0], text);
  output_bytes_ -= text.size();
  scopes_.pop_back();
  while (!hidden.empty()) {
    scopes_.push_back(std::move(hidden.back()));
    hidden.pop_back();
  }
  return make_text(std::move(text));
}

TemplateValue TemplateInterpreter::call_function(const std::string& name,
                                                 const TemplateArguments& arguments) {
  if (name == "raise_exception") {
    const TemplateValue* message = arguments.find(0, "message");
    throw Error(Code::kInvalidArgument, message != nullptr ? printed(*message) : "refused");
  }
  if (name == "namespace" || name == "dict") {
    auto items = arguments.named;
    for (const TemplateValue& value : arguments.values) {
      const TemplateMapping* mapping = value.mapping_or_null();
      if (mapping == nullptr) throw Error(Code::kUnsupported, name + "() takes names or a mapping");
      items.insert(items.begin(), mapping->items.begin(), mapping->items.end());
    }
    charge(items.size() + 1);
    if (name == "dict") return TemplateValue::mapping(std::move(items));
    auto space = std::make_shared<TemplateNamespace>();
    for (auto& [key, value] : items) {
      if (value.is<TemplateValue::Namespace>()) {
        throw Error(Code::kUnsupported, "a namespace cannot be put inside another value");
      }
      space->members[key] = std::move(value);
    }
    return TemplateValue(TemplateValue::Namespace(std::move(space)));
  }
  if (name == "range") {
    std::int64_t bounds[3] = {0, 0, 1};
    const std::size_t count = arguments.values.size();
    if (count < 1 || count > 3)
      throw Error(Code::kInvalidArgument, "range() takes one to three integers");
    for (std::size_t i = 0; i < count; ++i) {
      const TemplateValue& value = arguments.values[i];
      if (!value.is_numeric() || value.is<double>()) {
        throw Error(Code::kInvalidArgument, "range() takes integers");
      }
      bounds[count == 1 ? 1 : i] = value.as_integer();
    }
    if (bounds[2] == 0) throw Error(Code::kInvalidArgument, "range() with step 0");
    std::vector<TemplateValue> items;
    for (std::int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
      charge(1);
      items.push_back(TemplateValue::integer(i));
      if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    return TemplateValue::list(std::move(items));
  }
  if (name == "strftime_now") {
    throw Error(Code::kUnsupported,
                "strftime_now() would make prompts depend on the day they are rendered");
  }
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is undefined and cannot be called", name));
}

}  // namespace panal::chat::detail
