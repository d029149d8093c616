// Which of several texts a model thinks likeliest, by the rules of lm-evaluation-harness (0.4.13),
// so that its scores and these are the same numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/choice_task.h"
#include "work/evaluation_jobs.h"

namespace panal::model {
class Decoder;
}
namespace panal::tokenizer {
class Tokenizer;
}

namespace panal::evaluate {

struct ChoiceOptions {
  std::int64_t context = 0;  // Most tokens of prompt and choice, the last one apart; longer ones
                             // lose their beginning. 2 to the model's context length; 0: that.
  std::int64_t batch_tokens = 4096;  // Of rows at once, with what they have in common counted for
                                     // each; no change in the result but for rounding.
  std::string where = "task";        // Names the items' source in errors.
  std::stop_token stop{};            // Ends it with kCancelled between batches.
  std::function<void(double)> on_progress{};  // Fraction done, 0 to 1; may be empty.
};

/// One item's choices, in their order.
struct ChoiceScores {
  std::vector<double> log_likelihoods;  // Sum over the choice's tokens given the prompt, nats.
  std::vector<std::int64_t> tokens;     // How many these are.
};

/// Scores every choice of every item in float32, an adapter on the decoder included. What
/// choices computed at once have in common from the start is computed once. Errors:
/// kInvalidArgument: a choice longer than the context, a token outside the vocabulary, what
/// encode_choices() refuses; kCancelled; what torch throws.
Result<std::vector<ChoiceScores>> score_choices(const model::Decoder& decoder,
                                                const tokenizer::Tokenizer& tokenizer,
                                                std::span<const data::ChoiceItem> items,
                                                const ChoiceOptions& options = {});

/// The choices that win by each rule; of equals the first.
struct Chosen {
  std::int64_t plain = 0;      // The largest log-likelihood.
  std::int64_t norm = 0;       // ... divided by the choice's characters.
  std::int64_t byte_norm = 0;  // ... divided by its bytes in UTF-8.
};
Chosen chosen(const data::ChoiceItem& item, const ChoiceScores& scores);

/// By the three rules of Chosen, over all and by subject. `scores` belong to `items`, which are at
/// least one.
work::ChoiceSummary summarise_choices(std::span<const data::ChoiceItem> items,
                                      std::span<const ChoiceScores> scores);
/// One line of a details file: {"line", "subject"?, "gold", "log_likelihoods", "tokens", "chosen",
/// "chosen_norm", "chosen_bytes"}.
Json choice_details(const data::ChoiceItem& item, const ChoiceScores& scores);

}  // namespace panal::evaluate
