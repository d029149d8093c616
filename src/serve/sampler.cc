#include "serve/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace panal::serve {
namespace {

struct Bound {
  const char* name;
  const std::optional<double>& value;
  double low, high;
};

// Likelier first, lower id first among equals: one order, so that one seed draws one token.
struct Before {
  std::span<const float> logits;
  bool operator()(std::int32_t a, std::int32_t b) const {
    const float first = logits[static_cast<std::size_t>(a)];
    const float second = logits[static_cast<std::size_t>(b)];
    return first != second ? first > second : a < b;
  }
};

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
      top_p_(sampling.top_p.value_or(1)),
      min_p_(sampling.min_p.value_or(0)),
      top_k_(sampling.top_k.value_or(0)),
      frequency_penalty_(sampling.frequency_penalty.value_or(0)),
      presence_penalty_(sampling.presence_penalty.value_or(0)),
      repetition_penalty_(sampling.repetition_penalty.value_or(1)),
      has_penalties_(frequency_penalty_ != 0 || presence_penalty_ != 0 || repetition_penalty_ != 1),
      rng_(static_cast<std::uint64_t>(sampling.seed.value_or(0))) {
  if (repetition_penalty_ == 1) return;
  for (const std::int32_t token : prompt) uses_.emplace(token, 0);
}

std::span<const float> Sampler::penalized(std::span<const float> logits) {
  if (!has_penalties_ || uses_.empty()) return logits;
  penalized_.assign(logits.begin(), logits.end());
  for (const auto& [token, count] : uses_) {
    if (token < 0 || static_cast<std::size_t>(token) >= penalized_.size()) continue;
    float& logit = penalized_[static_cast<std::size_t>(token)];
    double score = logit > 0 ? logit / repetition_penalty_ : logit * repetition_penalty_;
    if (count > 0) score -= frequency_penalty_ * static_cast<double>(count) + presence_penalty_;
    logit = static_cast<float>(score);
  }
  return penalized_;
}

Result<std::int32_t> Sampler::sample(std::span<const float> logits) {
  PANAL_ASSIGN(const std::int32_t token, choose(penalized(logits)));
  if (has_penalties_) ++uses_[token];
  return token;
}

Result<std::int32_t> Sampler::choose(std::span<const float> logits) {
  // The first of the largest; a NaN anywhere means that the model has come apart.
  std::size_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) {
      return Status(Code::kInternal,
                    fmt::format("the model's score of token {} is not a number", i));
    }
    if (logits[i] > logits[best]) best = i;
  }
  if (logits.empty() || logits[best] == -INFINITY) {
    return Status(Code::kInternal, "the model gave no token a chance");
  }
  // An infinite favourite leaves no finite differences to draw from.
  if (temperature_ == 0 || logits[best] == INFINITY) return static_cast<std::int32_t>(best);
  return sample_random(logits);
}

// Sorts ever longer beginnings until they hold top_p of the mass: usually a few dozen tokens, not
// the vocabulary.
void Sampler::keep_top_p(std::span<const float> logits, bool is_sorted) {
  const double best = *std::ranges::max_element(logits);
  const double wanted = top_p_ * std::reduce(weights_.begin(), weights_.end());
  double mass = 0;
  std::size_t kept = 0;
  std::size_t sorted = is_sorted ? candidates_.size() : 0;
  while (mass < wanted && kept < candidates_.size()) {
    if (kept == sorted) {
      const std::size_t next = std::min(candidates_.size(), std::max<std::size_t>(64, sorted * 8));
      std::partial_sort(candidates_.begin() + static_cast<std::ptrdiff_t>(sorted),
                        candidates_.begin() + static_cast<std::ptrdiff_t>(next), candidates_.end(),
                        Before{logits});
      sorted = next;
    }
    mass += std::exp((logits[static_cast<std::size_t>(candidates_[kept])] - best) / temperature_);
    ++kept;
  }
  candidates_.resize(kept);
}

Result<std::int32_t> Sampler::sample_random(std::span<const float> logits) {
  const double best = *std::ranges::max_element(logits);
  const auto weight_of = [&](std::int32_t token) {
    return std::exp((logits[static_cast<std::size_t>(token)] - best) / temperature_);
  };
  const auto weigh = [&] {
    weights_.resize(candidates_.size());
    std::ranges::transform(candidates_, weights_.begin(), weight_of);
  };
  const std::size_t size = logits.size();
  const std::size_t top_k = top_k_ == 0 ? size : std::min(size, static_cast<std::size_t>(top_k_));
  candidates_.resize(size);
  std::iota(candidates_.begin(), candidates_.end(), 0);
  if (top_k < size) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(top_k),
                     candidates_.end(), Before{logits});
    candidates_.resize(top_k);
    std::ranges::sort(candidates_, Before{logits});
  }
  weigh();
  if (top_p_ < 1) {
    keep_top_p(logits, top_k < size);
    weigh();
  }
  // The likeliest token weighs 1.
  if (min_p_ > 0) {
    std::erase_if(candidates_, [&](std::int32_t token) { return weight_of(token) < min_p_; });
    weigh();
  }
  double left = rng_.uniform() * std::reduce(weights_.begin(), weights_.end());
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return candidates_[i];
  }
  // Rounding can leave a last crumb: it belongs to the last candidate that has any weight.
  for (std::size_t i = candidates_.size(); i-- > 0;) {
    if (weights_[i] > 0) return candidates_[i];
  }
  return candidates_.front();
}

}  // namespace panal::serve
