// Cuts text into the pieces inside which BPE may merge, as the `pre_tokenizer` of a tokenizer.json
// says: ByteLevel (GPT-2's pattern, by a scanner of our own), Digits, Split by regular expression
// or string, Sequence.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/detail/text_pattern.h"

namespace panal::tokenizer::detail {

/// Pieces borrow from the text given to split(), or from `owned` where a step added characters.
struct Pieces {
  std::vector<std::string_view> views;
  std::vector<std::string_view> spare;  // The step's input while views is its output.
  std::deque<std::string> owned;
};

class PreTokenizer {
 public:
  /// `description` is the value of "pre_tokenizer". Errors: kUnsupported names the step and the
  /// known ones; kInvalidArgument.
  static Result<PreTokenizer> from_json(const Json& description, std::string_view where);

  /// Valid UTF-8 in, its pieces out in order. Thread-safe.
  void split(std::string_view text, Pieces& pieces) const;

 private:
  enum class Kind { kByteLevel, kDigits, kSplit };
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  struct Step {
    Kind kind = Kind::kByteLevel;
    bool adds_prefix_space = false;
    bool uses_pattern = true;  // ByteLevel: GPT-2's pattern, or the piece as it is.
    bool individual_digits = false;
    bool is_inverted = false;
    Behavior behavior = Behavior::kIsolated;
    std::optional<TextPattern> pattern;  // What a Split looks for.
  };

  static Status add_step(const Json& description, std::string_view where, int depth,
                         std::vector<Step>& steps);
  static Result<Step> read_split(const Json& description, std::string_view where);
  static void apply(const Step& step, std::string_view piece, Pieces& pieces);
  static void split_by_digits(const Step& step, std::string_view piece, Pieces& pieces);
  static void split_by_pattern(const Step& step, std::string_view piece, Pieces& pieces);

  std::vector<Step> steps_;
};

/// GPT-2's pattern: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
void split_like_gpt2(std::string_view text, std::vector<std::string_view>& pieces);

}  // namespace panal::tokenizer::detail
