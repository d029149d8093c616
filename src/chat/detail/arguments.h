// What a filter, test, method or function is called with, bound to its parameters as Python binds
// them: an argument that nothing takes is an error, never dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/detail/value.h"

namespace panal::chat::detail {

struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

/// Parameters as one line: "old new count?". "?" marks one that may be left out; "/" stands after
/// those that have no name for the caller; "*" takes more values, "**" more named ones.
using Signature = std::string_view;

class BoundArguments {
 public:
  /// Throws Error(kInvalidArgument) that names `what` ("the filter \"sum\"") and the argument.
  BoundArguments(std::string what, Signature signature, const Arguments& arguments);

  const std::string& what() const { return what_; }
  /// nullptr when the caller left it out. Positions follow the signature.
  const Value* find(std::size_t position) const;
  bool has(std::size_t position) const { return find(position) != nullptr; }
  /// For parameters that the signature requires.
  const Value& at(std::size_t position) const;
  /// As above, for a value of one kind; throw when another kind was given.
  const std::string& text(std::size_t position) const;
  std::int64_t integer(std::size_t position) const;
  std::int64_t integer(std::size_t position, std::int64_t fallback) const;
  bool flag(std::size_t position, bool fallback) const;
  /// nullptr when left out or None.
  const Value* given(std::size_t position) const;

  const std::vector<Value>& more() const { return more_; }
  const std::vector<std::pair<std::string, Value>>& more_named() const { return more_named_; }

  [[noreturn]] void refuse(std::size_t position, std::string_view wanted) const;

 private:
  std::string what_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
  std::vector<Value> more_;
  std::vector<std::pair<std::string, Value>> more_named_;
};

}  // namespace panal::chat::detail
