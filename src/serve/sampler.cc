#include "serve/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>

#include "base/rng.h"

namespace panal::serve {
namespace {

struct Bound {
  const char* name;
  const std::optional<double>& value;
  double low, high;
};

constexpr std::size_t kMostBiases = 4096;
constexpr double kMostScale = std::numeric_limits<float>::max();

bool is_in(std::int32_t token, std::span<const float> logits) {
  return token >= 0 && static_cast<std::size_t>(token) < logits.size();
}

template <typename Float>
Float& at(std::span<Float> logits, std::int32_t token) {
  return logits[static_cast<std::size_t>(token)];
}

}  // namespace

Status check_sampling(const work::Sampling& sampling) {
  for (const Bound& bound :
       {Bound{"temperature", sampling.temperature, 0, 100}, Bound{"top_p", sampling.top_p, 0, 1},
        Bound{"min_p", sampling.min_p, 0, 1},
        Bound{"frequency_penalty", sampling.frequency_penalty, -2, 2},
        Bound{"presence_penalty", sampling.presence_penalty, -2, 2},
        Bound{"repetition_penalty", sampling.repetition_penalty, 0, 100}}) {
    if (!bound.value || (*bound.value >= bound.low && *bound.value <= bound.high)) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("{} must be from {:g} to {:g}, found {:g}", bound.name, bound.low,
                              bound.high, *bound.value));
  }
  for (const auto& [name, value] : {std::pair("top_p", sampling.top_p),
                                    std::pair("repetition_penalty", sampling.repetition_penalty)}) {
    if (value == 0.0) {
      return Status(Code::kInvalidArgument, fmt::format("{} must be over 0, found 0", name));
    }
  }
  if (sampling.logit_bias.size() > kMostBiases) {
    return Status(Code::kInvalidArgument, fmt::format("logit_bias may name {} tokens, found {}",
                                                      kMostBiases, sampling.logit_bias.size()));
  }
  for (const work::TokenBias& biased : sampling.logit_bias) {
    if (biased.bias >= -100 && biased.bias <= 100) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("logit_bias must be from -100 to 100, found {:g} for token {}",
                              biased.bias, biased.token));
  }
  if (sampling.top_k.value_or(0) < 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("top_k must be 0 (no limit) or more, found {}", *sampling.top_k));
  }
  return {};
}

work::Sampling with_defaults(work::Sampling asked, const work::Sampling& defaults) {
  if (asked.temperature) return asked;
  asked.temperature = defaults.temperature.value_or(kDefaultTemperature);
  if (!asked.top_p) asked.top_p = defaults.temperature ? defaults.top_p : kDefaultTopP;
  if (!asked.top_k) asked.top_k = defaults.top_k;
  if (!asked.min_p) asked.min_p = defaults.min_p;
  return asked;
}

Sampler::Sampler(const work::Sampling& sampling, std::span<const std::int32_t> prompt)
    : temperature_(sampling.temperature.value_or(1)),
      scale_(temperature_ > 0 ? static_cast<float>(std::min(1 / temperature_, kMostScale)) : 0),
      top_p_(sampling.top_p.value_or(1)),
      min_p_(sampling.min_p.value_or(0)),
      top_k_(static_cast<std::size_t>(sampling.top_k.value_or(0))),
      frequency_penalty_(sampling.frequency_penalty.value_or(0)),
      presence_penalty_(sampling.presence_penalty.value_or(0)),
      repetition_penalty_(sampling.repetition_penalty.value_or(1)),
      has_penalties_(frequency_penalty_ != 0 || presence_penalty_ != 0 || repetition_penalty_ != 1),
      seed_(static_cast<std::uint64_t>(sampling.seed.value_or(0))),
      logit_bias_(sampling.logit_bias) {
  if (repetition_penalty_ == 1) return;
  for (const std::int32_t token : prompt) uses_.emplace(token, 0);
}

void Sampler::adjust(std::span<float> logits) const {
  for (const work::TokenBias& biased : logit_bias_) {
    if (is_in(biased.token, logits)) at(logits, biased.token) += static_cast<float>(biased.bias);
  }
  if (!has_penalties_) return;
  for (const auto& [token, count] : uses_) {
    if (!is_in(token, logits)) continue;
    float& logit = at(logits, token);
    double score = logit > 0 ? logit / repetition_penalty_ : logit * repetition_penalty_;
    if (count > 0) score -= frequency_penalty_ * static_cast<double>(count) + presence_penalty_;
    logit = static_cast<float>(score);
  }
}

Result<std::int32_t> Sampler::sample(std::span<float> logits) {
  adjust(logits);
  PANAL_ASSIGN(const std::int32_t token, choose(logits));
  if (has_penalties_) ++uses_[token];
  ++position_;
  return token;
}

Result<std::int32_t> Sampler::choose(std::span<const float> logits) {
  PANAL_TRY(row_.look_at(logits));
  // An infinite favourite leaves no finite differences to draw from.
  if (temperature_ == 0 || row_.best() == INFINITY) return row_.best_token();
  candidates_.clear();
  if (top_k_ > 0 && top_k_ < row_.size()) keep_top_k();
  if (top_p_ < 1) keep_top_p();
  if (min_p_ > 0) keep_min_p();
  const double share = uniform_of(derive_seed(seed_, position_));
  if (candidates_.empty()) return row_.token_at(share, scale_);
  double left = share * mass();
  const auto weights = std::views::transform(candidates_, &detail::Candidate::weight);
  return candidates_[detail::index_at(weights, left)].token;
}

void Sampler::rank() {
  std::ranges::sort(candidates_, before(), &detail::Candidate::token);
  row_.weigh(scale_, candidates_);
}

double Sampler::mass() const {
  double total = 0;
  for (const detail::Candidate& candidate : candidates_) total += candidate.weight;
  return total;
}

void Sampler::keep_top_k() {
  row_.collect_likeliest(top_k_, candidates_);
  const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(top_k_);
  std::ranges::nth_element(candidates_, end, before(), &detail::Candidate::token);
  candidates_.erase(end, candidates_.end());
  rank();
}

void Sampler::keep_top_p() {
  if (!candidates_.empty()) return keep_beginning(top_p_ * mass());  // All there is after top_k.
  const double total = row_.total_weight(scale_);
  // Usually a few dozen tokens hold it, not the vocabulary.
  for (const std::size_t count : {64, 512}) {
    row_.collect_likeliest(count, candidates_);
    rank();
    if (mass() >= top_p_ * total) return keep_beginning(top_p_ * total);
  }
  // All tokens under this weight together are less than what may be missing.
  const double least = (1 - top_p_) * total / static_cast<double>(row_.size());
  row_.collect_from(logit_under(least), candidates_);
  row_.weigh(scale_, candidates_);
  keep_likeliest(top_p_ * total);
}

// The first of the ranked candidates that hold `wanted`.
void Sampler::keep_beginning(double wanted) {
  double held = 0;
  std::size_t kept = 0;
  while (held < wanted && kept < candidates_.size()) held += candidates_[kept++].weight;
  candidates_.resize(kept);
}

// The same of candidates in any order: halves the part in which the last one stands.
void Sampler::keep_likeliest(double wanted) {
  auto begin = candidates_.begin();
  auto end = candidates_.end();
  double held = 0;  // By those before `begin`.
  while (begin != end) {
    const auto middle = begin + (end - begin - 1) / 2;
    std::ranges::nth_element(begin, middle, end, before(), &detail::Candidate::token);
    double half = 0;
    for (auto one = begin; one <= middle; ++one) half += one->weight;
    if (held + half >= wanted) {
      if (middle + 1 == end) break;
      end = middle + 1;
    } else {
      held += half;
      begin = middle + 1;
    }
  }
  candidates_.erase(end, candidates_.end());
}

void Sampler::keep_min_p() {
  if (candidates_.empty()) {
    row_.collect_from(logit_under(min_p_), candidates_);
    row_.weigh(scale_, candidates_);
  }
  std::erase_if(candidates_,
                [&](const detail::Candidate& candidate) { return candidate.weight < min_p_; });
}

// A logit that no token of at least this weight is under.
float Sampler::logit_under(double weight) const {
  const double best = row_.best();
  const double distance = -temperature_ * std::log(weight);
  return static_cast<float>(best - distance - 1e-6 * (std::abs(best) + distance + temperature_));
}

}  // namespace panal::serve
