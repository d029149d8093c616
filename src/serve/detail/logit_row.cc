#include "serve/detail/logit_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "kernels/cpu/distribution.h"

namespace panal::serve::detail {
namespace {

constexpr auto kBlock = static_cast<std::size_t>(kernels::cpu::kDistributionBlock);

std::int64_t count_of(const auto& values) { return static_cast<std::int64_t>(values.size()); }

}  // namespace

Status LogitRow::look_at(std::span<const float> logits) {
  logits_ = logits;
  maxima_.resize(static_cast<std::size_t>(kernels::cpu::num_distribution_blocks(count_of(logits))));
  kernels::cpu::block_maxima(logits.data(), count_of(logits), maxima_.data());
  const auto is_nan = [](float value) { return std::isnan(value); };
  if (std::ranges::any_of(maxima_, is_nan)) {
    return Status(Code::kInternal,
                  fmt::format("the model's score of token {} is not a number",
                              std::ranges::find_if(logits, is_nan) - logits.begin()));
  }
  const auto best = std::ranges::max_element(maxima_);  // The first of equal ones.
  if (best == maxima_.end() || *best == -INFINITY) {
    return Status(Code::kInternal, "the model gave no token a chance");
  }
  best_block_ = static_cast<std::size_t>(best - maxima_.begin());
  return {};
}

std::int32_t LogitRow::best_token() const {
  const auto from = logits_.begin() + static_cast<std::ptrdiff_t>(best_block_ * kBlock);
  return static_cast<std::int32_t>(std::find(from, logits_.end(), best()) - logits_.begin());
}

void LogitRow::collect_from(float threshold, std::vector<Candidate>& candidates) const {
  candidates.clear();
  for (std::size_t block = 0; block < maxima_.size(); ++block) {
    if (maxima_[block] < threshold) continue;
    const std::size_t end = std::min(size(), (block + 1) * kBlock);
    for (std::size_t i = block * kBlock; i < end; ++i) {
      if (logits_[i] >= threshold) candidates.push_back({.token = static_cast<std::int32_t>(i)});
    }
  }
}

// As many blocks as asked for have a token of their maximum, so the count-th largest maximum bounds
// the count-th largest logit from below.
void LogitRow::collect_likeliest(std::size_t count, std::vector<Candidate>& candidates) {
  if (count > maxima_.size()) return collect_from(-INFINITY, candidates);
  ranked_maxima_ = maxima_;
  const auto last = ranked_maxima_.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::ranges::nth_element(ranked_maxima_, last, std::greater());
  collect_from(*last, candidates);
}

void LogitRow::weigh(float scale, std::vector<Candidate>& candidates) {
  weights_.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) weights_[i] = logit(candidates[i].token);
  kernels::cpu::softmax_weights(weights_.data(), count_of(weights_), best(), scale,
                                weights_.data());
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].weight = weights_[i];
}

double LogitRow::total_weight(float scale) {
  weights_.resize(maxima_.size());
  kernels::cpu::block_weights(logits_.data(), count_of(logits_), best(), scale, weights_.data());
  return std::accumulate(weights_.begin(), weights_.end(), 0.0);
}

std::int32_t LogitRow::token_at(double share, float scale) {
  double left = share * total_weight(scale);
  const std::size_t first = index_at(weights_, left) * kBlock;
  const auto block = logits_.subspan(first, std::min(kBlock, size() - first));
  weights_.resize(block.size());
  kernels::cpu::softmax_weights(block.data(), count_of(block), best(), scale, weights_.data());
  return static_cast<std::int32_t>(first + index_at(weights_, left));
}

}  // namespace panal::serve::detail
