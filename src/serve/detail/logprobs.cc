#include "serve/detail/logprobs.h"

#include <algorithm>
#include <cmath>

namespace panal::serve::detail {

work::TokenLogprobs LogprobReader::read(LogitRow& row, std::int32_t chosen, std::size_t count,
                                        const TextDecoder& decoder) {
  const double log_total = row.best() + std::log(row.total_weight(1));
  const auto described = [&](std::int32_t token) {
    work::TokenLogprob one{.token = token,
                           .logprob = std::min(0.0, double{row.logit(token)} - log_total)};
    for (const char byte : decoder.bytes_of(token))
      one.bytes.push_back(static_cast<unsigned char>(byte));
    return one;
  };
  work::TokenLogprobs read{.chosen = described(chosen)};
  if (count == 0) return read;
  row.collect_likeliest(count, candidates_);
  std::ranges::sort(
      candidates_, [&](auto a, auto b) { return row.is_before(a, b); }, &Candidate::token);
  for (const Candidate& candidate : candidates_) {
    // What cannot come has no logarithm.
    if (read.likeliest.size() == count || row.logit(candidate.token) == -INFINITY) break;
    read.likeliest.push_back(described(candidate.token));
  }
  return read;
}

}  // namespace panal::serve::detail
