// Training batches from token shards. Documents are laid end to end with an end-of-text token after
// each and cut into windows; each epoch visits every window once in an order that is computed, not
// stored: a keyed Feistel permutation with cycle walking (Black and Rogaway, "Ciphers with
// Arbitrary Finite Domains", 2002). So the whole state of a stream is a handful of numbers, and a
// resumed run sees exactly the tokens it would have seen.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
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

/// What a token may attend to when several documents share a window.
enum class Packing {
  kAcrossDocuments,  // All tokens before it in the window.
  kWithinDocuments,  // Those of its own document only, and no target crosses into the next one.
};
/// "across_documents" or "within_documents".
std::string_view packing_name(Packing packing);

/// A target that is not scored.
inline constexpr std::int32_t kNoTarget = -100;

/// A batch as a decoder's loss takes it, each member row-major [batch, context].
struct TokenBatch {
  std::vector<std::int32_t> tokens;
  /// The next token, or kNoTarget where it is not learned (TokenDocument). With kWithinDocuments a
  /// document's last text token learns its end-of-text token, and the end-of-text token, which has
  /// nothing of its document after it, kNoTarget.
  std::vector<std::int32_t> targets;
  /// Index within the window of the first token of each token's document (0 when it began before
  /// the window); empty with kAcrossDocuments.
  std::vector<std::int32_t> first_keys;
};

struct TokenStreamOptions {
  std::int64_t batch = 1;
  std::int64_t context = 0;      // Inputs per window: a window is context + 1 tokens.
  std::int32_t end_of_text = 0;  // Laid after each document; below the shards' vocabulary size.
  std::uint64_t seed = 1;
  bool shuffle = true;  // False: windows in the order of the text, for evaluation.
  Packing packing = Packing::kAcrossDocuments;  // Of TokenBatch; the windows are the same.
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

  /// The next batch of windows. Errors: kCorrupt from a shard; the position is then unchanged.
  Status next(TokenBatch& batch);
  /// The same windows whole: row-major [batch, context + 1].
  Status next(std::vector<std::int32_t>& windows);
  /// The next window, [context + 1] tokens, and where these are not empty, the document's first key
  /// of each and whether it is learned, 1 or 0.
  Status next_window(std::span<std::int32_t> window, std::span<std::int32_t> first_keys = {},
                     std::span<std::uint8_t> is_learned = {});
  /// Whether some of its tokens are not learned.
  bool has_mask() const;

  std::int64_t num_windows() const { return num_windows_; }  // Per epoch.
  std::int64_t num_tokens() const { return num_tokens_; }    // With end-of-text tokens.
  std::int64_t epoch() const { return position_.epoch; }     // Of the next window, from 0.
  /// Windows since the beginning.
  std::int64_t num_drawn() const { return position_.epoch * num_windows_ + position_.window; }
  /// Goes to where `num_drawn` (0 or more) windows have been drawn.
  void go_to(std::int64_t num_drawn);
  const TokenStreamOptions& options() const { return options_; }
  /// Window `index` of the text (not of the shuffled order), [context + 1]; all else as
  /// next_window().
  Status read_window(std::int64_t index, std::span<std::int32_t> window,
                     std::span<std::int32_t> first_keys = {},
                     std::span<std::uint8_t> is_learned = {}) const;

  /// Position and what it refers to (seed, context, batch, token count): {"format":
  /// "panal-token-stream", ...}.
  Json state() const;
  /// Goes to a saved position: the next batch is the one that would have come. Untrusted. Errors:
  /// kInvalidArgument when it is not a state, kConflict when it was made over other data or
  /// options; the stream is then unchanged.
  Status restore(const Json& state);

 private:
  struct Position {
    std::int64_t epoch = 0;
    std::int64_t window = 0;  // In the epoch's order; < num_windows_.
  };
  TokenStream() = default;
  std::uint64_t data_identity() const;
  Status copy_tokens(std::int64_t begin, std::span<std::int32_t> out,
                     std::span<std::int32_t> first_keys, std::span<std::uint8_t> is_learned) const;

  std::vector<TokenShard> shards_;
  std::vector<std::int64_t> shard_begin_;  // In laid-out tokens; one more than shards.
  TokenStreamOptions options_;
  std::int64_t num_tokens_ = 0;
  std::int64_t num_windows_ = 0;
  Position position_;
};

/// A window on its way into a batch, reused from row to row: [context + 1] each, empty when not
/// wanted.
struct Window {
  /// As these options and a mask (or none) want it.
  Window(const TokenStreamOptions& options, bool has_mask);
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> first_keys;
  std::vector<std::uint8_t> is_learned;
};

/// Lays a window as row `row` of a batch of `batch` rows, which it resizes.
void put_window(const Window& window, std::int64_t row, std::int64_t batch, TokenBatch& out);

}  // namespace panal::data
