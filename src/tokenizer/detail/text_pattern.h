// What a tokenizer.json looks for in a text: a string, or a regular expression.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/detail/regular_expression.h"

namespace panal::tokenizer::detail {

class TextPattern {
 public:
  /// Reads {"pattern": {"Regex": ...}} or {"pattern": {"String": ...}}; `what` names the step in
  /// errors.
  static Result<TextPattern> read(const Json& description, std::string_view what,
                                  std::string_view where);

  /// Calls `found(begin, end)` for each match, left to right without overlap. Thread-safe.
  void for_each_match(std::string_view text,
                      const std::function<void(std::size_t, std::size_t)>& found) const;

 private:
  std::string literal_;  // Not empty unless there is an expression.
  std::optional<RegularExpression> expression_;
};

}  // namespace panal::tokenizer::detail
