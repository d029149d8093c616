// A byte-level BPE vocabulary learned from text. Words (the pieces the pre-tokenizer cuts) are
// counted once; then the most frequent pair of neighbouring tokens is merged again and again, with
// pair counts kept up to date only in the words that hold the pair. Same text and options give the
// same tokenizer, and the same one as Hugging Face's BpeTrainer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace panal::tokenizer {

struct TrainerProgress {
  std::int64_t bytes_read = 0;
  std::int64_t bytes_total = 0;
  std::int64_t merges_done = 0;
  std::int64_t merges_wanted = 0;
};

struct TokenizerTrainerOptions {
  /// All tokens: special ones, the 256 bytes, merges.
  std::int32_t vocabulary_size = 8192;
  /// They get the first ids, 0 upwards, in this order.
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  /// Names among special_tokens.
  std::optional<std::string> bos;
  std::optional<std::string> eos = "<|endoftext|>";
  std::string chat_template;
  /// Each digit is a token of its own, as in SmolLM2; otherwise digits merge as in GPT-2.
  bool splits_digits = true;
  /// Pairs seen less often are not merged.
  std::int64_t minimum_count = 2;
  /// Called on the calling thread about a hundred times.
  std::function<void(const TrainerProgress&)> progress;
};

/// Ids: special tokens, then the 256 byte tokens, then merges from the most frequent pair on; equal
/// counts go by the smaller pair of ids. Errors (kInvalidArgument): no text; a vocabulary under 256
/// + special tokens or over a million; a special token that is empty or given twice; bos or eos not
/// among them; text with too few repeating pairs for the vocabulary (says how large it could be).
/// Cost: one thread; 3 MB of prose to 8,192 tokens takes about a second. Memory: about 20 bytes per
/// distinct byte.
Result<Tokenizer> train_tokenizer(std::span<const std::string_view> texts,
                                  const TokenizerTrainerOptions& options);

}  // namespace panal::tokenizer
