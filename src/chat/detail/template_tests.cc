// Jinja's tests: what stands after "is".
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "chat/detail/builtins.h"
#include "chat/detail/text.h"

namespace panal::chat::detail {
namespace {

using I = Interpreter;
using V = Value;
using A = BoundArguments;

const Value& number_of(const V& value, const A& arguments) {
  if (value.is_undefined()) throw Error(Code::kInvalidArgument, value.get<Undefined>()->message);
  if (!value.is_numeric()) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} needs a number, found {}", arguments.what(), value.type_name()));
  }
  return value;
}

bool has_remainder(I& interpreter, const V& value, const Value& divisor, std::int64_t wanted) {
  return equal(interpreter.binary("%", value, divisor), Value::integer(wanted));
}

bool is_odd(I& interpreter, const V& value, const A& arguments) {
  return has_remainder(interpreter, number_of(value, arguments), Value::integer(2), 1);
}
bool is_even(I& interpreter, const V& value, const A& arguments) {
  return has_remainder(interpreter, number_of(value, arguments), Value::integer(2), 0);
}
bool is_divisible(I& interpreter, const V& value, const A& arguments) {
  return has_remainder(interpreter, number_of(value, arguments),
                       number_of(arguments.at(0), arguments), 0);
}

// Whether Python would find one object in both. Small numbers and the strings of a template are
// shared there, so equal ones count as the same.
bool is_same(I&, const V& value, const A& arguments) {
  const Value& other = arguments.at(0);
  if (value.type_name() != other.type_name()) return false;
  if (value.list_or_null()) return value.list_or_null() == other.list_or_null();
  if (value.mapping_or_null()) return value.mapping_or_null() == other.mapping_or_null();
  return equal(value, other);
}

bool is_sequence(I&, const V& value, const A&) {
  if (const List* list = value.list_or_null()) return list->kind <= ListKind::kRange;
  return value.text_or_null() || value.mapping_or_null() || value.is_undefined();
}
bool is_iterable(I&, const V& value, const A&) {
  return value.list_or_null() || value.text_or_null() || value.mapping_or_null() ||
         value.is_undefined() || value.shared<Generator>() || value.shared<Loop>();
}

template <bool IsUpper>
bool has_case(I& interpreter, const V& value, const A&) {
  const Value text = interpreter.make_text(interpreter.printed(value));
  return interpreter.call_method(text, IsUpper ? "isupper" : "islower", {}).is_true();
}

bool is_equal(I& interpreter, const V& value, const A& arguments) {
  interpreter.charge(value.weight() / kBytesPerStep + 1);
  return equal(value, arguments.at(0));
}
bool is_unequal(I& interpreter, const V& value, const A& arguments) {
  return !is_equal(interpreter, value, arguments);
}

template <bool Less, bool OrEqual>
bool is_ordered(I& interpreter, const V& value, const A& arguments) {
  interpreter.charge(value.weight() / kBytesPerStep + 1);
  const int order = compare(value, arguments.at(0));
  return (OrEqual && order == 0) || (Less ? order < 0 : order > 0);
}

bool is_true(I&, const V& value, const A&) { return value.is<bool>() && value.is_true(); }
bool is_false(I&, const V& value, const A&) { return value.is<bool>() && !value.is_true(); }
bool is_defined(I&, const V& value, const A&) { return !value.is_undefined(); }
bool is_undefined(I&, const V& value, const A&) { return value.is_undefined(); }
bool is_none(I&, const V& value, const A&) { return value.is_none(); }
bool is_string(I&, const V& value, const A&) { return value.text_or_null() != nullptr; }
bool is_mapping(I&, const V& value, const A&) { return value.mapping_or_null() != nullptr; }
bool is_boolean(I&, const V& value, const A&) { return value.is<bool>(); }
bool is_number(I&, const V& value, const A&) { return value.is_numeric(); }
bool is_integer(I&, const V& value, const A&) { return value.is_integer(); }
bool is_float(I&, const V& value, const A&) { return value.is<double>(); }
bool is_escaped(I&, const V& value, const A&) { return value.is_markup(); }
bool is_callable(I&, const V& value, const A&) {
  return value.is_callable() || value.is_undefined() || value.shared<Loop>();
}
bool is_in(I& interpreter, const V& value, const A& arguments) {
  return interpreter.contains(arguments.at(0), value);
}
bool is_filter(I&, const V& value, const A&) {
  return value.text_or_null() && find_filter(*value.text_or_null()) != nullptr;
}
bool is_test(I&, const V& value, const A&) {
  return value.text_or_null() && find_test(*value.text_or_null()) != nullptr;
}

constexpr TemplateTest kTests[] = {
    {"!=", "other /", is_unequal},
    {"<", "other /", is_ordered<true, false>},
    {"<=", "other /", is_ordered<true, true>},
    {"==", "other /", is_equal},
    {">", "other /", is_ordered<false, false>},
    {">=", "other /", is_ordered<false, true>},
    {"boolean", "", is_boolean},
    {"callable", "", is_callable},
    {"defined", "", is_defined},
    {"divisibleby", "num", is_divisible},
    {"eq", "other /", is_equal},
    {"equalto", "other /", is_equal},
    {"escaped", "", is_escaped},
    {"even", "", is_even},
    {"false", "", is_false},
    {"filter", "", is_filter},
    {"float", "", is_float},
    {"ge", "other /", is_ordered<false, true>},
    {"greaterthan", "other /", is_ordered<false, false>},
    {"gt", "other /", is_ordered<false, false>},
    {"in", "seq", is_in},
    {"integer", "", is_integer},
    {"iterable", "", is_iterable},
    {"le", "other /", is_ordered<true, true>},
    {"lessthan", "other /", is_ordered<true, false>},
    {"lower", "", has_case<false>},
    {"lt", "other /", is_ordered<true, false>},
    {"mapping", "", is_mapping},
    {"ne", "other /", is_unequal},
    {"none", "", is_none},
    {"number", "", is_number},
    {"odd", "", is_odd},
    {"sameas", "other", is_same},
    {"sequence", "", is_sequence},
    {"string", "", is_string},
    {"test", "", is_test},
    {"true", "", is_true},
    {"undefined", "", is_undefined},
    {"upper", "", has_case<true>},
};

}  // namespace

const TemplateTest* find_test(std::string_view name) {
  const auto* found = std::ranges::find(kTests, name, &TemplateTest::name);
  return found != std::end(kTests) ? found : nullptr;
}

bool Interpreter::apply_test(std::string_view name, const Value& value,
                             const Arguments& arguments) {
  const TemplateTest* test = find_test(name);
  if (test == nullptr) {
    throw Error(Code::kUnsupported, fmt::format("the test \"{}\" is not known here", name));
  }
  return test->run(
      *this, value,
      BoundArguments(fmt::format("the test \"{}\"", name), test->signature, arguments));
}

}  // namespace panal::chat::detail
