// The regular expressions inside tokenizer.json files, written for Oniguruma or Rust and run by
// PCRE2 with JIT. \s and \w are rewritten to mean there what they mean here. Patterns come with
// models and are untrusted: a match that costs too much counts as "no match in the rest".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::tokenizer::detail {

class RegularExpression {
 public:
  /// Errors: kUnsupported with the pattern and what PCRE2 says about it.
  static Result<RegularExpression> compile(std::string_view pattern);
  RegularExpression(RegularExpression&&) noexcept;
  RegularExpression& operator=(RegularExpression&&) noexcept;
  ~RegularExpression();

  /// Calls `found(begin, end)` for each match that is not empty, left to right without overlap, in
  /// valid UTF-8. Thread-safe.
  void for_each_match(std::string_view text,
                      const std::function<void(std::size_t, std::size_t)>& found) const;

 private:
  struct Compiled;
  explicit RegularExpression(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace panal::tokenizer::detail
