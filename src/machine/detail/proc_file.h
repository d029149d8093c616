// Files of /proc that hold a line for each fact.
#pragma once

#include <string>
#include <string_view>

namespace panal::machine::detail {

/// The value after `key` and a colon; empty when there is none.
std::string proc_value(const char* path, std::string_view key);

}  // namespace panal::machine::detail
