// From logits to a token. Each request owns its sampler, and what it draws at a position depends on
// its seed and the position alone: not on who else is in the batch, nor on how the tokens before
// came about.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "serve/detail/logit_row.h"
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

  /// One token id in [0, logits.size()), which counts as used from now on. The logits become those
  /// that the token was drawn by: bias and penalties are written into them. Temperature 0 takes the
  /// likeliest, of equals the lowest id. The order is logit_bias, penalties (repetition_penalty of
  /// Keskar et al., "CTRL", 2019; frequency and presence as OpenAI documents them), temperature,
  /// top_k, top_p, min_p. kInternal when a logit is not a number or all are minus infinity. Cost:
  /// one pass when greedy or with top_k or min_p, else two, besides sorting what is likeliest.
  Result<std::int32_t> sample(std::span<float> logits);

 private:
  void adjust(std::span<float> logits) const;
  Result<std::int32_t> choose(std::span<const float> logits);
  void rank();
  double mass() const;
  void keep_top_k();
  void keep_top_p();
  void keep_beginning(double wanted);
  void keep_likeliest(double wanted);
  void keep_min_p();
  float logit_under(double weight) const;
  auto before() const {
    return [this](std::int32_t a, std::int32_t b) { return row_.is_before(a, b); };
  }

  const double temperature_;
  const float scale_;  // 1 / temperature, as far as a float goes.
  const double top_p_;
  const double min_p_;
  const std::size_t top_k_;
  const double frequency_penalty_;
  const double presence_penalty_;
  const double repetition_penalty_;
  const bool has_penalties_;
  const std::uint64_t seed_;
  const std::vector<work::TokenBias> logit_bias_;
  std::uint64_t position_ = 0;                           // Of the next token in the answer.
  std::unordered_map<std::int32_t, std::int64_t> uses_;  // In the answer; 0: in the prompt only.
  detail::LogitRow row_;
  std::vector<detail::Candidate> candidates_;  // Scratch.
};

}  // namespace panal::serve
