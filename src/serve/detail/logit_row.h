// The scores of all tokens for one place in a text: which are the likeliest, and what share of all
// they have. Looked at in blocks, so that the usual questions touch a few of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace panal::serve::detail {

/// A token and exp((logit - best) * scale), so that the likeliest token's weight is 1.
struct Candidate {
  std::int32_t token = 0;
  float weight = 0;
};

class LogitRow {
 public:
  /// The row that is asked about from now on, which stays as it is until then. kInternal when a
  /// logit is not a number or all are minus infinity. Cost: one pass.
  Status look_at(std::span<const float> logits);

  std::size_t size() const { return logits_.size(); }
  float logit(std::int32_t token) const { return logits_[static_cast<std::size_t>(token)]; }
  float best() const { return maxima_[best_block_]; }
  /// The lowest id among the likeliest.
  std::int32_t best_token() const;
  /// Likelier first, lower id first among equals: one order, so that one seed draws one token.
  bool is_before(std::int32_t a, std::int32_t b) const {
    return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
  }

  /// All tokens of logit `threshold` or more, by id; their weights are left out.
  void collect_from(float threshold, std::vector<Candidate>& candidates) const;
  /// At least the `count` likeliest tokens and all as likely as the last of them, by id; without
  /// weights.
  void collect_likeliest(std::size_t count, std::vector<Candidate>& candidates);

  void weigh(float scale, std::vector<Candidate>& candidates);
  /// The weight of all tokens together. Cost: one pass.
  double total_weight(float scale);
  /// The token at which `share` (0 to 1) of all weight is used up, going by id. Cost: one pass.
  std::int32_t token_at(double share, float scale);

 private:
  std::span<const float> logits_;
  std::size_t best_block_ = 0;
  std::vector<float> maxima_;         // Of blocks of logits.
  std::vector<float> ranked_maxima_;  // Scratch, as the next one.
  std::vector<float> weights_;
};

/// Where `left` ends when weights are laid one behind the other; `left` becomes what is left of it
/// in that weight. Rounding can leave a last crumb: it belongs to the last that has any weight.
std::size_t index_at(const auto& weights, double& left) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    if (left < weights[i]) return i;
    left -= weights[i];
    last = i;
  }
  left = 0;
  return last;
}

}  // namespace panal::serve::detail
