// Reads members of an untrusted JSON object one after the other and keeps the first thing that was
// wrong, so that a parser is a list of what it wants. A member that is absent or null is as good as
// not sent.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "api/api_error.h"

namespace panal::api::detail {

/// Sorted, unlike panal::Json: looking up a key stays fast in an object with a million of them.
using WireJson = nlohmann::json;

/// A JSON object, or why it is none.
std::variant<WireJson, ApiError> parse_object(std::string_view body);

/// A value for a message: at most 60 bytes of it.
std::string shown(const WireJson& value);

class MemberReader {
 public:
  /// `prefix` goes before names in messages and params: "panal." or "messages[3].".
  MemberReader(const WireJson& object, std::string prefix)
      : object_(object), prefix_(std::move(prefix)) {}

  /// The value, or null when absent, JSON null, or after an error.
  const WireJson* find(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  std::optional<double> number(std::string_view name, double low, double high);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::string> string(std::string_view name);

  /// Records an error about `name`, unless there is one already.
  void fail(std::string_view name, std::string_view wanted, const WireJson& found);
  void fail(ApiError error);
  void require(std::string_view name, std::string_view wanted);

  const std::optional<ApiError>& error() const { return error_; }
  std::string full_name(std::string_view name) const { return prefix_ + std::string(name); }

 private:
  const WireJson& object_;  // Outlives the reader, which lives within one function.
  const std::string prefix_;
  std::optional<ApiError> error_;
};

}  // namespace panal::api::detail
