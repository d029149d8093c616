// Broken invariants: ours, never a peer's. PANAL_CHECK prints what was expected and aborts, in
// release too.
#pragma once

#include <string_view>

namespace panal {

[[noreturn]] void check_failed(const char* expression, std::string_view message, const char* file,
                               int line);

}  // namespace panal

/// Aborts with the expression and `message` (a string with the values) when `condition` is false.
#define PANAL_CHECK(condition, message)                                                 \
  do {                                                                                  \
    if (!(condition)) ::panal::check_failed(#condition, (message), __FILE__, __LINE__); \
  } while (false)
