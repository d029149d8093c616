// Python's two ways to put values into a string: "%5.1f" % x and "{:>5.1f}".format(x).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "chat/detail/value.h"

namespace panal::chat::detail {

/// "%s: %d" % values, where `values` is a tuple, a mapping or one value. Throws Error.
std::string percent_formatted(std::string_view format, const Value& values);

/// "{} {name.part[0]:>8}".format(...). `field` gives the value that a field names: "0",
/// "name.part[0]". Throws Error, kUnsupported for specifications that are not known here.
std::string brace_formatted(std::string_view format,
                            const std::function<Value(std::string_view field)>& field);

}  // namespace panal::chat::detail
