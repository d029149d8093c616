#include "chat/detail/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace panal::chat::detail {
namespace {

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Error too_large() { return Error(Code::kInvalidArgument, "an integer over 64 bits"); }

Value integer_arithmetic(std::string_view sign, std::int64_t a, std::int64_t b) {
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
    overflows = sign == "//";
  } else {
    const std::int64_t quotient = floor_divide(a, b);
    result = sign == "//" ? quotient : a - quotient * b;
  }
  if (overflows) throw too_large();
  return Value::integer(result);
}

Value float_arithmetic(std::string_view sign, double a, double b) {
  if (sign == "+") return Value::number(a + b);
  if (sign == "-") return Value::number(a - b);
  if (sign == "*") return Value::number(a * b);
  if (b == 0) throw Error(Code::kInvalidArgument, "division by zero");
  if (sign == "/") return Value::number(a / b);
  if (sign == "//") return Value::number(std::floor(a / b));
  // Python's remainder has the divisor's sign; fmod is exact where a - floor(a / b) * b is not.
  const double rest = std::fmod(a, b);
  return Value::number(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value power(const Value& a, const Value& b) {
  if (a.is<double>() || b.is<double>() || b.as_integer() < 0) {
    if (a.as_number() == 0 && b.as_number() < 0)
      throw Error(Code::kInvalidArgument, "zero to a negative power");
    return Value::number(std::pow(a.as_number(), b.as_number()));
  }
  std::int64_t base = a.as_integer();
  std::int64_t result = 1;
  for (std::int64_t left = b.as_integer(); left > 0;) {
    if (left % 2 != 0 && __builtin_mul_overflow(result, base, &result)) throw too_large();
    left /= 2;
    if (left > 0 && __builtin_mul_overflow(base, base, &base)) throw too_large();
  }
  return Value::integer(result);
}

}  // namespace

Error type_error(std::string_view sign, const Value& a, const Value& b) {
  for (const Value* side : {&a, &b}) {
    if (side->is_undefined()) return Error(Code::kInvalidArgument, side->get<Undefined>()->message);
  }
  return Error(Code::kInvalidArgument,
               fmt::format("{} {} {} is not possible", a.type_name(), sign, b.type_name()));
}

Value arithmetic(std::string_view sign, const Value& a, const Value& b) {
  if (sign == "**") return power(a, b);
  const bool has_float = a.is<double>() || b.is<double>();
  if (has_float || sign == "/") return float_arithmetic(sign, a.as_number(), b.as_number());
  return integer_arithmetic(sign, a.as_integer(), b.as_integer());
}

std::vector<std::size_t> slice_positions(std::int64_t size, std::optional<std::int64_t> start,
                                         std::optional<std::int64_t> stop, std::int64_t step) {
  const auto place = [&](std::int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return step > 0 ? std::clamp<std::int64_t>(at, 0, size)
                    : std::clamp<std::int64_t>(at, -1, size - 1);
  };
  const std::int64_t begin = start ? place(*start) : (step > 0 ? 0 : size - 1);
  const std::int64_t end = stop ? place(*stop) : (step > 0 ? size : -1);
  const std::int64_t stride = std::clamp<std::int64_t>(step, -(size + 1), size + 1);
  std::vector<std::size_t> positions;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += stride) {
    positions.push_back(std::size_t(at));
  }
  return positions;
}

}  // namespace panal::chat::detail
