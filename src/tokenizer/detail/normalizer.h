// What a tokenizer.json does to text before cutting it: Unicode normal forms, lower case,
// replacements.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/detail/text_pattern.h"

namespace panal::tokenizer::detail {

class Normalizer {
 public:
  /// `description` is the value of "normalizer"; null does nothing. Errors: kUnsupported names the
  /// step and the known ones; kInvalidArgument.
  static Result<Normalizer> from_json(const Json& description, std::string_view where);

  bool changes_nothing() const { return steps_.empty(); }
  /// Valid UTF-8 in and out. Thread-safe.
  std::string apply(std::string_view text) const;

 private:
  enum class Kind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kPrepend, kReplace };
  struct Step {
    Kind kind = Kind::kNfc;
    std::string content;  // What Prepend puts first, or Replace in the place of matches.
    std::optional<TextPattern> pattern;  // What Replace looks for.
  };
  static Status add_step(const Json& description, std::string_view where, int depth,
                         std::vector<Step>& steps);
  static Result<Step> read_replace(const Json& description, std::string_view where);
  static std::string apply_step(const Step& step, std::string_view text);
  std::vector<Step> steps_;
};

}  // namespace panal::tokenizer::detail
