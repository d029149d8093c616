// Multiple-choice questions as lm-evaluation-harness asks them: the raw rows of a data set become a
// prompt and the texts that may follow it, character for character what the harness (0.4.13) makes
// of them, so that a model's scores can be set beside published ones. Which fields a row has is
// written in docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::tokenizer {
class Tokenizer;
}

namespace panal::data {

enum class ChoiceFormat {
  kHellaswag,  // Which ending goes on with a scene (Zellers et al., 2019).
  kArc,        // A school science question; the answers' texts are scored (Clark et al., 2018).
  kMmlu,       // A question with its answers in the prompt; the letters are scored (Hendrycks et
               // al., 2021).
  kChoices,    // {"context" or "query", "choices", "gold"}: anything else.
};

/// "hellaswag", "arc", "mmlu" or "choices"; nothing for another word.
std::optional<ChoiceFormat> choice_format(std::string_view name);
std::string_view choice_format_name(ChoiceFormat format);

struct ChoiceItem {
  std::string context;               // The whole prompt, examples included; may be empty.
  std::vector<std::string> choices;  // Two or more, none empty. A space comes before each.
  std::int64_t gold = 0;             // Index of the right one.
  std::string subject{};             // Of kMmlu; "" otherwise.
  std::int64_t line = 0;             // In its file, from 1.
};

struct ChoiceTaskOptions {
  /// Solved examples before each question, 0 to 1000: the first ones of `shots_path` (of the
  /// question's subject where it has one), as the harness's sampler "first_n" takes them. Without
  /// `shots_path` they come from the file itself, the question left out.
  std::int64_t shots = 0;
  std::filesystem::path shots_path{};
  std::int64_t limit = 0;  // Only the first so many questions; 0: all.
};

/// Reads a JSONL file, a row per line; blank lines are passed over.
///
/// Errors   kNotFound: no such file. kInvalidArgument: a row that is not as its format wants it, in
///          one sentence with file, line and field; no rows; fewer examples than `shots`.
///          kResourceExhausted: a file over 1 GiB.
Result<std::vector<ChoiceItem>> read_choice_task(const std::filesystem::path& path,
                                                 ChoiceFormat format,
                                                 const ChoiceTaskOptions& options = {});

/// What a model is given for one choice: the prompt's tokens, then `scored` tokens of the choice.
struct EncodedChoice {
  std::vector<std::int32_t> tokens;  // scored + 1 or more.
  std::size_t scored = 0;            // 1 or more.
};

/// One per choice. White space at the prompt's end goes to the choice, prompt and choice are
/// encoded as one text, and what comes after as many tokens as the prompt alone has is the choice.
/// Special tokens written in the text are parsed. An empty prompt becomes the BOS token, or EOS
/// without one. No BOS is put before other prompts. Errors: kInvalidArgument, naming `where` and
/// the line: a prompt of white space only, a choice that leaves no token.
Result<std::vector<EncodedChoice>> encode_choices(const tokenizer::Tokenizer& tokenizer,
                                                  const ChoiceItem& item, std::string_view where);

}  // namespace panal::data
