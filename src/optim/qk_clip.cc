#include "optim/qk_clip.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace panal::optim {
namespace {

void check(const ClippedProjection& projection, std::int64_t outputs, std::string_view what) {
  const at::Tensor& weight = projection.weight.value;
  PANAL_REQUIRE(weight.defined() && weight.dim() == 2,
                fmt::format("QK-clip wants the {}' weight as a matrix, found none", what));
  const std::int64_t found = weight.size(projection.has_outputs_last ? 1 : 0);
  PANAL_REQUIRE(projection.first_output >= 0 && projection.first_output + outputs <= found,
                fmt::format("QK-clip wants {} outputs of {} from {} on, found {} in the weight",
                            outputs, what, projection.first_output, found));
  PANAL_REQUIRE(!projection.bias.defined() ||
                    (projection.bias.dim() == 1 && projection.bias.size(0) == found),
                fmt::format("QK-clip wants a bias of {} {}, found another", found, what));
}

void scale(const ClippedProjection& projection, const std::vector<float>& factors,
           std::int64_t head_width) {
  // One factor per output; 1 for the outputs that are not this projection's.
  const at::Tensor& weight = projection.weight.value;
  at::Tensor outputs = at::ones({weight.size(projection.has_outputs_last ? 1 : 0)},
                                weight.options().dtype(at::kFloat).requires_grad(false));
  for (std::size_t head = 0; head < factors.size(); ++head) {
    const auto begin = projection.first_output + static_cast<std::int64_t>(head) * head_width;
    outputs.narrow(0, begin, head_width).fill_(factors[head]);
  }
  tensor::set_exact_values(projection.weight,
                           tensor::exact_values(projection.weight)
                               .mul_(projection.has_outputs_last ? outputs : outputs.unsqueeze(1)));
  if (projection.bias.defined()) projection.bias.detach().mul_(outputs);
}

}  // namespace

std::int64_t clip_queries_and_keys(const ClippedAttention& attention,
                                   std::span<const float> largest_logits,
                                   const recipe::QkClipConfig& config) {
  PANAL_REQUIRE(config.threshold > 0 && config.alpha >= 0 && config.alpha <= 1,
                fmt::format("QK-clip wants a threshold over 0 and an alpha from 0 to 1, found {} "
                            "and {}",
                            config.threshold, config.alpha));
  PANAL_REQUIRE(attention.key_value_heads > 0 && attention.heads > 0 &&
                    attention.heads % attention.key_value_heads == 0 &&
                    std::ssize(largest_logits) == attention.heads,
                fmt::format("QK-clip wants one logit per head and key heads that divide them, "
                            "found {} logits, {} heads, {} key heads",
                            largest_logits.size(), attention.heads, attention.key_value_heads));
  check(attention.queries, attention.heads * attention.head_width, "queries");
  check(attention.keys, attention.key_value_heads * attention.head_width, "keys");
  const at::NoGradGuard no_gradients;
  const auto heads = static_cast<std::size_t>(attention.heads);
  const auto groups = static_cast<std::size_t>(attention.key_value_heads);
  std::vector<float> of_queries(heads, 1.0f), of_keys(groups, 1.0f);
  std::int64_t clipped = 0;
  for (std::size_t group = 0; group < groups; ++group) {
    const auto members = largest_logits.subspan(group * (heads / groups), heads / groups);
    const double largest = *std::ranges::max_element(members);
    if (!std::isfinite(largest) || largest <= config.threshold) continue;
    ++clipped;
    const double gamma = config.threshold / largest;
    of_keys[group] = static_cast<float>(std::pow(gamma, 1.0 - config.alpha));
    std::fill_n(of_queries.begin() + static_cast<std::ptrdiff_t>(group * members.size()),
                members.size(), static_cast<float>(std::pow(gamma, config.alpha)));
  }
  if (clipped == 0) return 0;
  scale(attention.queries, of_queries, attention.head_width);
  scale(attention.keys, of_keys, attention.head_width);
  return clipped;
}

}  // namespace panal::optim
