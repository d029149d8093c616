// Several sources of training text in fixed proportions. Which source the next window comes from is
// computed from the windows drawn so far (Tijdeman's chairman assignment), so at every moment each
// source has had its share to within one window, and a resumed run goes on at the exact token.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/token_stream.h"

namespace panal::data {

/// Draws numbers 0 to k - 1 in proportion to k weights: after n draws number i was drawn within one
/// of n * weight_i / sum of weights times, for every n (at most 1 - 1 / (2 k - 2) off).
/// Source: Tijdeman, "The chairman assignment problem", 1980. Arithmetic is exact in integers; the
/// weights are rounded to 2^-48 of the largest.
class ShareOrder {
 public:
  /// 1 to 256 weights, each finite and over 0; a caller's mistake aborts.
  explicit ShareOrder(std::span<const double> weights);
  /// What is drawn next when drawn[i] were drawn before. Cost: linear in the weights.
  std::size_t next(std::span<const std::int64_t> drawn) const;
  double share(std::size_t index) const;

 private:
  std::vector<std::int64_t> weights_;
  std::int64_t sum_ = 0;
};

struct MixtureSource {
  std::string name;
  double weight = 1;  // Over 0; shares are weights over their sum.
  std::vector<TokenShard> shards;
};

/// What a source has given so far.
struct SourceUse {
  std::string name;
  double share = 1;              // Of all windows.
  std::int64_t num_tokens = 0;   // In the data, with end-of-text tokens.
  std::int64_t num_windows = 0;  // In one epoch.
  std::int64_t windows = 0;      // Drawn.
  double epochs() const { return static_cast<double>(windows) / static_cast<double>(num_windows); }
};

/// Endless batches from sources in proportion to their weights. Each source is a TokenStream with a
/// shuffle of its own in every epoch, seeded by the seed and its name; a single source gives what
/// its TokenStream gives. One thread.
class TokenMixture {
 public:
  /// Errors: those of TokenStream::open, naming the source; kInvalidArgument for no or more than
  /// 256 sources, names that are empty or there twice, a weight that is not a number over 0, and
  /// sources of different vocabularies.
  static Result<TokenMixture> open(std::vector<MixtureSource> sources,
                                   const TokenStreamOptions& options);

  /// The next batch. Errors: kCorrupt from a shard; the position is then unchanged.
  Status next(TokenBatch& batch);

  std::int64_t num_tokens() const;  // Of all sources.
  /// Whether some tokens of a source are not learned.
  bool has_mask() const;
  std::vector<SourceUse> use() const;
  const TokenStreamOptions& options() const { return options_; }

  /// {"format": "panal-token-mixture", "version": 1, "sources": [{"name", "share", "windows",
  /// "stream": a TokenStream's state}]}.
  Json state() const;
  /// Goes to a saved position. Untrusted. Errors: as TokenStream::restore, naming the source, and
  /// kConflict for other sources or weights; the mixture is then unchanged.
  Status restore(const Json& state);

 private:
  struct Source {
    std::string name;
    TokenStream stream;
  };
  TokenMixture(std::vector<Source> sources, ShareOrder order, const TokenStreamOptions& options)
      : sources_(std::move(sources)),
        order_(std::move(order)),
        options_(options),
        drawn_(sources_.size()) {}
  Status next_rows(TokenBatch& batch);

  std::vector<Source> sources_;
  ShareOrder order_;
  TokenStreamOptions options_;
  std::vector<std::int64_t> drawn_;  // Windows, of each source.
};

}  // namespace panal::data
