// A short text from a small model, to see what it has learnt. Serving does this with a cache; here
// the whole window is computed anew for each token, which needs no state beside the decoder.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "evaluate/evaluate.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace panal::evaluate {
namespace {

constexpr std::size_t kLikeliest = 40;

std::int32_t choose(std::span<const float> logits, double temperature, Rng& rng) {
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const std::size_t kept = std::min(kLikeliest, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(kept), ids.end(),
                    [&](std::int32_t a, std::int32_t b) { return logits[a] > logits[b]; });
  if (temperature <= 0) return ids[0];
  std::vector<double> weights(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    weights[i] = std::exp((logits[ids[i]] - logits[ids[0]]) / temperature);
  }
  double left = rng.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; i < kept; ++i) {
    left -= weights[i];
    if (left < 0) return ids[i];
  }
  return ids[0];
}

std::int32_t next_token(const model::Decoder& decoder, std::span<const std::int32_t> tokens,
                        double temperature, Rng& rng) {
  const auto context = static_cast<std::size_t>(decoder.config().context_length);
  if (tokens.size() > context) tokens = tokens.last(context);
  const at::Tensor window = at::empty({1, static_cast<std::int64_t>(tokens.size())}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), window.data_ptr<std::int64_t>());
  const at::Tensor logits =  // [1, vocabulary]
      decoder.forward(window).select(1, -1).to(at::kCPU).contiguous();
  return choose({logits.data_ptr<float>(), static_cast<std::size_t>(logits.numel())}, temperature,
                rng);
}

}  // namespace

std::string sample_text(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer,
                        const std::string& prompt, std::int64_t num_tokens, double temperature,
                        std::uint64_t seed) {
  PANAL_REQUIRE(tokenizer.vocabulary_size() <= decoder.config().vocabulary_size,
                fmt::format("the tokenizer's vocabulary of {} must fit into the model's of {}",
                            tokenizer.vocabulary_size(), decoder.config().vocabulary_size));
  const at::NoGradGuard no_gradients;
  Rng rng(seed);
  std::vector<std::int32_t> tokens = tokenizer.encode_prompt(prompt);
  const bool has_start = tokens.empty();
  if (has_start) tokens.push_back(tokenizer.eos_id().value_or(0));
  const std::size_t begin = has_start ? 1 : 0;
  for (std::int64_t i = 0; i < num_tokens; ++i) {
    const std::int32_t token = next_token(decoder, tokens, temperature, rng);
    if (tokenizer.eos_id() == token) break;
    tokens.push_back(token);
  }
  return tokenizer.decode(std::span(tokens).subspan(begin));
}

}  // namespace panal::evaluate
