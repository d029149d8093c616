// Arithmetic of Python on numbers, and the positions of slices.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chat/detail/value.h"

namespace panal::chat::detail {

/// a SIGN b for numbers and + - * / // % **. Throws Error for division by zero and for integers
/// over 64 bits.
Value arithmetic(std::string_view sign, const Value& a, const Value& b);

/// Python's slice.indices(): the positions a slice visits. `step` is not 0.
std::vector<std::size_t> slice_positions(std::int64_t size, std::optional<std::int64_t> start,
                                         std::optional<std::int64_t> stop, std::int64_t step);

Error type_error(std::string_view sign, const Value& a, const Value& b);

}  // namespace panal::chat::detail
