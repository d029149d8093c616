// Training batches from token shards. Documents are laid end to end with an end-of-text token after
// each and cut into windows; each epoch visits every window once in an order that is computed, not
// stored: a keyed Feistel permutation with cycle walking (Black and Rogaway, "Ciphers with
// Arbitrary Finite Domains", 2002). So the whole state of a stream is a handful of numbers, and a
// resumed run sees exactly the tokens it would have seen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/token_shard.h"

namespace panal::data {

/// A pseudo-random permutation of [0, count) in constant memory. Immutable, thread-safe.
class IndexPermutation {
 public:
  IndexPermutation(std::uint64_t count, std::uint64_t seed);  // count > 0.
  /// Where index (< count) goes; each value below count is hit once.
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  std::uint64_t count_;
  int half_bits_;
  std::uint64_t keys_[4];
};

struct TokenStreamOptions {
  std::int64_t batch = 1;
  std::int64_t context = 0;      // Inputs per window: a window is context + 1 tokens.
  std::int32_t end_of_text = 0;  // Laid after each document; below the shards' vocabulary size.
  std::uint64_t seed = 1;
  bool shuffle = true;  // False: windows in the order of the text, for evaluation.
};

/// Endless batches of [batch, context + 1] int32 tokens. Windows overlap by one token: the last
/// target of one is the first input of the next. Tokens after the last whole window are left out.
/// When an epoch ends inside a batch, the batch goes on with the next epoch. One thread.
class TokenStream {
 public:
  /// Errors: kInvalidArgument for no shards, shards of different vocabularies, options out of
  /// range, an end-of-text token outside the vocabulary, or fewer tokens than one window.
  static Result<TokenStream> open(std::vector<TokenShard> shards,
                                  const TokenStreamOptions& options);

  /// Row-major [batch, context + 1]; the vector is reused by the caller or resized. Never fails.
  void next(std::vector<std::int32_t>& batch);
  std::vector<std::int32_t> next();

  std::int64_t num_windows() const { return num_windows_; }  // Per epoch.
  std::int64_t num_tokens() const { return num_tokens_; }    // With end-of-text tokens.
  std::int64_t epoch() const { return epoch_; }              // Of the next window, from 0.
  const TokenStreamOptions& options() const { return options_; }
  /// Window `index` of the text (not of the shuffled order), [context + 1].
  void read_window(std::int64_t index, std::span<std::int32_t> out) const;

  /// Position and what it refers to (seed, context, batch, token count): {"format":
  /// "panal-token-stream", ...}.
  Json state() const;
  /// Goes to a saved position: the next batch is the one that would have come. Untrusted. Errors:
  /// kInvalidArgument when it is not a state, kConflict when it was made over other data or
  /// options; the stream is then unchanged.
  Status restore(const Json& state);

 private:
  TokenStream() = default;
  std::uint64_t data_identity() const;
  void copy_tokens(std::int64_t begin, std::span<std::int32_t> out) const;

  std::vector<TokenShard> shards_;
  std::vector<std::int64_t> shard_begin_;  // In laid-out tokens; one more than shards.
  TokenStreamOptions options_;
  std::int64_t num_tokens_ = 0;
  std::int64_t num_windows_ = 0;
  std::int64_t epoch_ = 0;
  std::int64_t window_ = 0;  // In the epoch's order; < num_windows_.
};

}  // namespace panal::data
