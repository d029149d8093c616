// A conversation becomes tokens as the model's own chat template lays it out: the template's marks
// are special tokens, what people wrote never is, and of each token it is known whether the
// assistant said it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/chat_template.h"
#include "data/token_shard.h"
#include "tokenizer/tokenizer.h"

namespace panal::data {

/// Which tokens of conversations are learned.
enum class TrainOn {
  kAssistant,  // What the assistant says, up to and with the token that ends its turn.
  kAll,
};
/// "assistant" or "all".
std::string_view train_on_name(TrainOn train_on);

/// Immutable; may be used from many threads at once.
class ChatEncoder {
 public:
  /// Both must outlive it. Cost: one pass over the vocabulary.
  ChatEncoder(const tokenizer::Tokenizer& tokenizer, const chat::ChatTemplate& chat_template);

  /// The tokens of what the template makes of `messages` (a JSON list) with these options. Special
  /// tokens are read in what the template adds; in the messages they are plain characters, also
  /// where two parts would join to one. Errors: those of ChatTemplate::render.
  Result<std::vector<std::int32_t>> prompt(const Json& messages,
                                           const chat::ChatTemplateOptions& options) const;

  /// A whole conversation (Document::conversation) as it is learned from. With kAssistant a turn
  /// begins where a prompt would end (the template's opening of the assistant's turn), which is
  /// also a border between tokens, as when the model answers; it ends with the first of the
  /// tokenizer's stop_ids(), or else where the template leaves it. The end-of-text token after it
  /// is learned with kAll only.
  ///
  /// Errors: those of render(); kInvalidArgument when the conversation is not JSON as described,
  /// when nobody in it is the assistant, or when a turn of the assistant's cannot be found again in
  /// what the template makes of the whole.
  Result<TokenDocument> conversation(std::string_view conversation, TrainOn train_on) const;

 private:
  const tokenizer::Tokenizer& tokenizer_;
  const chat::ChatTemplate& chat_template_;
  const std::vector<std::string> special_texts_;
};

}  // namespace panal::data
