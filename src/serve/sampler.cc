// Order of the filters as the OpenAI and Hugging Face interfaces have it: temperature, top_k,
// top_p.
#include "serve/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace panal::serve {

Status check_sampling_options(const SamplingOptions& options) {
  if (!(options.temperature >= 0 && options.temperature <= 100)) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("temperature must be from 0 to 100, found {:g}", options.temperature));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("top_p must be over 0 and at most 1, found {:g}", options.top_p));
  }
  if (options.top_k < 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("top_k must be 0 (no limit) or more, found {}", options.top_k));
  }
  return {};
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), rng_(options.seed) {}

Result<std::int32_t> Sampler::sample(std::span<const float> logits) {
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
  if (options_.temperature == 0 || logits[best] == INFINITY) return static_cast<std::int32_t>(best);
  return sample_random(logits);
}

Result<std::int32_t> Sampler::sample_random(std::span<const float> logits) {
  const double best = *std::ranges::max_element(logits);
  const auto weight_of = [&](std::int32_t token) {
    return std::exp((logits[static_cast<std::size_t>(token)] - best) / options_.temperature);
  };
  // Likelier first, lower id first among equals: one order, so that one seed draws one token.
  const auto is_before = [&](std::int32_t a, std::int32_t b) {
    const float first = logits[static_cast<std::size_t>(a)];
    const float second = logits[static_cast<std::size_t>(b)];
    return first != second ? first > second : a < b;
  };
  const std::size_t size = logits.size();
  const std::size_t top_k =
      options_.top_k == 0 ? size : std::min(size, static_cast<std::size_t>(options_.top_k));
  candidates_.resize(size);
  std::iota(candidates_.begin(), candidates_.end(), 0);
  if (top_k < size) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(top_k),
                     candidates_.end(), is_before);
    candidates_.resize(top_k);
    std::ranges::sort(candidates_, is_before);
  }
  weights_.resize(candidates_.size());
  std::ranges::transform(candidates_, weights_.begin(), weight_of);
  double total = std::reduce(weights_.begin(), weights_.end());

  if (options_.top_p < 1) {
    // Sort ever longer beginnings until they hold top_p of the mass: usually a few dozen tokens,
    // not the vocabulary.
    const double wanted = options_.top_p * total;
    double mass = 0;
    std::size_t kept = 0;
    std::size_t sorted = top_k < size ? candidates_.size() : 0;
    while (mass < wanted && kept < candidates_.size()) {
      if (kept == sorted) {
        const std::size_t next =
            std::min(candidates_.size(), std::max<std::size_t>(64, sorted * 8));
        std::partial_sort(candidates_.begin() + static_cast<std::ptrdiff_t>(sorted),
                          candidates_.begin() + static_cast<std::ptrdiff_t>(next),
                          candidates_.end(), is_before);
        sorted = next;
      }
      mass += weight_of(candidates_[kept]);
      ++kept;
    }
    candidates_.resize(kept);
    weights_.resize(kept);
    std::ranges::transform(candidates_, weights_.begin(), weight_of);
    total = mass;
  }

  double left = rng_.uniform() * total;
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
