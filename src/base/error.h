// The caller's mistakes in the tensor rooms throw Error; capture() turns what was thrown into a
// Status at the one place per job or request where exceptions stop.
#pragma once

#include <stdexcept>
#include <string>

#include "base/result.h"

namespace panal {

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  explicit Error(const Status& status) : Error(status.code(), status.message()) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

/// The Status for the exception in flight. Call only inside a catch block.
Status status_of_current_exception();

/// Runs `function` and turns an exception into its Status. Works for functions returning void,
/// Status or Result.
template <typename Function>
auto capture(Function&& function) {
  using Returned = decltype(function());
  if constexpr (std::is_void_v<Returned>) {
    try {
      function();
      return Status();
    } catch (...) {
      return status_of_current_exception();
    }
  } else {
    try {
      return Returned(function());
    } catch (...) {
      return Returned(status_of_current_exception());
    }
  }
}

/// The value, or its Status thrown as Error: the bridge from Result rooms into throwing rooms.
template <typename T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) throw Error(result.status());
  return std::move(result).value();
}
inline void ok_or_throw(const Status& status) {
  if (!status.ok()) throw Error(status);
}

}  // namespace panal

/// Throws Error(kInvalidArgument) with `message` (what was wanted, what was found) when `condition`
/// is false.
#define PANAL_REQUIRE(condition, message)                                               \
  do {                                                                                  \
    if (!(condition)) throw ::panal::Error(::panal::Code::kInvalidArgument, (message)); \
  } while (false)
