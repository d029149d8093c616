#include "base/result.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "base/error.h"

namespace panal {
namespace {

constexpr std::array<std::string_view, 11> kCodeNames = {
    "ok",      "invalid_argument",   "not_found", "conflict",          "unavailable",
    "corrupt", "resource_exhausted", "cancelled", "deadline_exceeded", "unsupported",
    "internal"};

}  // namespace

std::string_view code_name(Code code) { return kCodeNames[static_cast<std::size_t>(code)]; }

Code code_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kCodeNames.size(); ++i) {
    if (kCodeNames[i] == name) return static_cast<Code>(i);
  }
  return Code::kInternal;
}

Status Status::with_context(std::string_view context) const {
  if (ok()) return *this;
  return Status(code_, std::string(context) + ": " + message_);
}

void check_failed(const char* expression, std::string_view message, const char* file, int line) {
  std::fprintf(stderr, "panal: broken invariant at %s:%d: %s (%.*s)\n", file, line, expression,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

Status status_of_current_exception() {
  try {
    throw;
  } catch (const Error& error) {
    return Status(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return Status(Code::kResourceExhausted, "out of memory");
  } catch (const std::exception& error) {
    return Status(Code::kInternal, error.what());
  } catch (...) {
    return Status(Code::kInternal, "an exception of unknown type was thrown");
  }
}

}  // namespace panal
