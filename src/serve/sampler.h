// From logits to a token. Each request owns its sampler and random numbers, so what it draws does
// not depend on who else is in the batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/rng.h"

namespace panal::serve {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy. Up to 100.
  double top_p = 1;        // (0, 1]: the smallest set of tokens with at least this probability.
  std::int64_t top_k = 0;  // 0: no limit.
  std::uint64_t seed = 0;
};
/// kInvalidArgument names the option, its range and the value found.
Status check_sampling_options(const SamplingOptions& options);

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);
  /// One token id in [0, logits.size()). Greedy takes the lowest id among equals. Temperature is
  /// applied first, then top_k, then top_p. kInternal when a logit is not a number or all are minus
  /// infinity. Cost: one pass when greedy; else O(V) plus sorting what top_k and top_p leave.
  Result<std::int32_t> sample(std::span<const float> logits);

 private:
  Result<std::int32_t> sample_random(std::span<const float> logits);
  const SamplingOptions options_;
  Rng rng_;
  std::vector<std::int32_t> candidates_;  // Scratch, kept to spare allocations.
  std::vector<double> weights_;
};

}  // namespace panal::serve
