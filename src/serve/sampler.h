// From logits to a token. Each request owns its sampler and random numbers, so what it draws does
// not depend on who else is in the batch.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "work/generation.h"

namespace panal::serve {

/// What a request without a temperature is sampled by where its model's generation config says
/// nothing.
inline constexpr double kDefaultTemperature = 0.7;
inline constexpr double kDefaultTopP = 0.95;

/// kInvalidArgument names the option, its range and the value found.
Status check_sampling(const work::Sampling& sampling);

/// Fills in what a request leaves open. Defaults belong together, so they are for requests without
/// a temperature only; one that names it says how it wants to be sampled, and gets no further cuts
/// that it did not ask for. Penalties are never filled in.
work::Sampling with_defaults(work::Sampling asked, const work::Sampling& defaults);

class Sampler {
 public:
  /// `sampling` is checked; what it leaves open is neutral (temperature 1, nothing cut off, seed
  /// 0). The prompt is what repetition_penalty looks at besides the answer.
  explicit Sampler(const work::Sampling& sampling, std::span<const std::int32_t> prompt = {});

  /// One token id in [0, logits.size()), which counts as used from now on. Temperature 0 takes the
  /// likeliest, of equals the lowest id. The order is penalties (repetition_penalty of Keskar et
  /// al., "CTRL", 2019; frequency and presence as OpenAI documents them), temperature, top_k,
  /// top_p, min_p. kInternal when a logit is not a number or all are minus infinity. Cost: one pass
  /// when greedy; else O(V) plus sorting what top_k and top_p leave.
  Result<std::int32_t> sample(std::span<const float> logits);

 private:
  std::span<const float> penalized(std::span<const float> logits);
  Result<std::int32_t> choose(std::span<const float> logits);
  Result<std::int32_t> sample_random(std::span<const float> logits);
  void keep_top_p(std::span<const float> logits, bool is_sorted);

  const double temperature_;
  const double top_p_;
  const double min_p_;
  const std::int64_t top_k_;
  const double frequency_penalty_;
  const double presence_penalty_;
  const double repetition_penalty_;
  const bool has_penalties_;
  Rng rng_;
  std::unordered_map<std::int32_t, std::int64_t> uses_;  // In the answer; 0: in the prompt only.
  std::vector<float> penalized_;                         // Scratch, as the others.
  std::vector<std::int32_t> candidates_;
  std::vector<double> weights_;
};

}  // namespace panal::serve
