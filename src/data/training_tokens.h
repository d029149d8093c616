// Documents become what a model learns from: plain texts as they are, conversations through the
// model's chat template, with marks on what is learned of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/document.h"
#include "data/encode_conversation.h"
#include "data/token_shard.h"
#include "tokenizer/tokenizer.h"

namespace panal::data {

struct TrainingTokensOptions {
  TrainOn train_on = TrainOn::kAssistant;  // Of conversations.
  /// Of plain texts, for all of them; not given: as each document says (reads_special_tokens).
  std::optional<tokenizer::SpecialTokens> special_tokens{};
  int threads = 0;  // 0: as many as the machine has; at most 256.
  std::stop_token stop = {};
};

struct TrainingTokens {
  std::vector<TokenDocument> documents;  // In order; a conversation left out is not there.
  std::int64_t conversations = 0;        // Of the documents.
  std::int64_t learned_tokens = 0;       // Of all, without end-of-text tokens.
  std::int64_t left_out = 0;             // Conversations that the template does not take.
  std::string why_left_out;              // Of the first: "chat.jsonl:7: nobody in it is ...".
  /// "; 3 conversations left out, the first: ..." or "".
  std::string left_out_summary() const;
};

/// Each document by itself, so the result is the same for any number of threads. No BOS is added.
/// Errors: kUnsupported when there are conversations but the tokenizer has no chat template that
/// can be read; kInvalidArgument when all documents are conversations that it does not take, or
/// threads are out of range; kCancelled. Cost: that of Tokenizer::encode; a conversation is also
/// rendered once for each of the assistant's turns.
Result<TrainingTokens> encode_for_training(const tokenizer::Tokenizer& tokenizer,
                                           std::span<const Document> documents,
                                           const TrainingTokensOptions& options = {});

}  // namespace panal::data
