// Waiting in tests: for something that happens, never for time to pass. Every wait has a deadline,
// so a broken promise fails a test instead of hanging it.
#pragma once

#include <chrono>
#include <thread>

#include "base/timing.h"

namespace panal {

inline constexpr std::chrono::seconds kPatience{20};  // Far over what a loaded machine needs.

/// Looks until `holds()` is true; false when patience is at its end.
template <typename Condition>
bool eventually(const Condition& holds) {
  const Nanoseconds until = system_clock().steady_now() + kPatience;
  while (!holds()) {
    if (system_clock().steady_now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace panal
