// Loss and perplexity by one fixed rule, so that numbers can be compared with those of other
// programs: windows of N tokens that do not overlap, every token but a window's first is scored, no
// special tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/document.h"

namespace panal::model {
class Decoder;
}
namespace panal::tokenizer {
class Tokenizer;
}

namespace panal::evaluate {

struct EvaluateOptions {
  std::int64_t context = 256;  // Tokens per window: 2 to the model's context length.
  std::int64_t max_tokens =
      0;                   // Only the first this many tokens of the text are looked at; 0: all.
  std::int64_t batch = 8;  // Windows computed at once; does not change the result but for rounding.
  const tokenizer::Tokenizer* tokenizer = nullptr;  // Whose tokens they are: gives bits per byte.
  /// 1 for each token that is scored, 0 for one that is only read, as of a conversation what the
  /// assistant did not say. Empty: all are scored.
  std::span<const std::uint8_t> is_scored{};
  std::stop_token stop{};                     // Ends it with kCancelled between batches.
  std::function<void(double)> on_progress{};  // Fraction done, 0 to 1; may be empty.
};

struct Evaluation {
  std::int64_t tokens = 0;  // Scored.
  std::int64_t windows = 0;
  double loss = 0;        // Mean over all scored tokens, nats per token.
  double perplexity = 0;  // exp(loss).
  /// The loss of all scored tokens over the bytes they stand for: comparable between tokenizers.
  /// Unknown without one, or where no scored token stands for text.
  std::optional<double> bits_per_byte;
};

/// Scores a text's tokens. A last window shorter than `context` counts when it has at least two
/// tokens; one without a scored token is left out. An adapter on the decoder takes part. Errors:
/// kInvalidArgument for fewer than two tokens, none that is scored, a context out of range or a
/// token outside the vocabulary; kCancelled; what torch throws. Memory: batch * context * width
/// activations, no logits.
Result<Evaluation> evaluate(const model::Decoder& decoder, std::span<const std::int32_t> tokens,
                            const EvaluateOptions& options);

struct DocumentLossOptions {
  std::int64_t max_tokens_per_document = 256;  // The first ones; 2 to the model's context length.
  std::int64_t batch = 8;
  std::stop_token stop{};
  std::function<void(double)> on_progress{};
};

/// The mean loss of each document's first tokens, in the order of the documents; NaN for a document
/// of fewer than two tokens. Documents of similar length are computed together. Errors as
/// evaluate().
Result<std::vector<double>> document_losses(const model::Decoder& decoder,
                                            const tokenizer::Tokenizer& tokenizer,
                                            std::span<const data::Document> documents,
                                            const DocumentLossOptions& options = {});

/// Text that goes on from `prompt` (the empty prompt starts from the end-of-text token): ancestral
/// sampling at `temperature` (0: the likeliest token) among the 40 likeliest. Recomputes the whole
/// window for each token: for samples of small models only. Throws Error when the tokenizer does
/// not fit the model.
std::string sample_text(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer,
                        const std::string& prompt, std::int64_t num_tokens, double temperature,
                        std::uint64_t seed);

}  // namespace panal::evaluate
