// Errors as values: what the world can do wrong (a peer gone, a file torn, a bad request) travels
// as a Status or a Result. Mistakes of the caller throw (error.h), broken invariants abort
// (check.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace panal {

enum class Code {
  kOk,
  kInvalidArgument,  // The request or file content is wrong; repeating it cannot help.
  kNotFound,
  kConflict,           // The state forbids it now: name taken, lock held, duplicate.
  kUnavailable,        // A peer or process is gone or not ready; repeating may help.
  kCorrupt,            // Stored or received bytes fail their checks.
  kResourceExhausted,  // Disk, memory, context length or a configured bound is full.
  kCancelled,
  kDeadlineExceeded,
  kUnsupported,  // Understood, but not something this build or model can do.
  kInternal,
};

/// The name of a code in lower case with underscores: "invalid_argument".
std::string_view code_name(Code code);
/// The inverse of code_name; kInternal for a name nobody knows.
Code code_from_name(std::string_view name);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  /// The same error, with where it happened put before the message: "importing x.gguf: ...".
  Status with_context(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

/// A T, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {
    PANAL_CHECK(!status_.ok(), "a Result without a value needs an error");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  Code code() const { return status_.code(); }
  /// Aborts when there is no value: call it after ok(), or in tests.
  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  /// By value, so that `for (x : f().value())` walks something that lives.
  T value() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked(); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }

 private:
  T& checked() {
    PANAL_CHECK(value_.has_value(), status_.message());
    return *value_;
  }
  Status status_;
  std::optional<T> value_;
};

}  // namespace panal

#define PANAL_CONCAT_INNER(a, b) a##b
#define PANAL_CONCAT(a, b) PANAL_CONCAT_INNER(a, b)

/// Returns the Status of `expression` from this function when it is an error.
#define PANAL_TRY(expression)                                                                 \
  do {                                                                                        \
    if (::panal::Status panal_status = (expression); !panal_status.ok()) return panal_status; \
  } while (false)

/// Declares or assigns `target` from a Result; returns its Status from this function when it
/// failed.
#define PANAL_ASSIGN(target, expression) \
  PANAL_ASSIGN_INNER(PANAL_CONCAT(panal_result_, __LINE__), target, expression)
#define PANAL_ASSIGN_INNER(result, target, expression) \
  auto result = (expression);                          \
  if (!result.ok()) return result.status();            \
  target = std::move(result).value()
