#include "model/detail/key_value_cache.h"

#include <algorithm>

#include "base/check.h"

namespace panal::model::detail {

constexpr std::int64_t kFirstCapacity = 64;

KeyValueCache::KeyValueCache(const recipe::ModelConfig& config, std::int64_t max_tokens)
    : layers_(config.layers),
      heads_(config.key_value_heads),
      head_width_(config.head_width),
      max_tokens_(max_tokens) {}

void KeyValueCache::reserve(std::int64_t tokens) {
  PANAL_CHECK(tokens <= max_tokens_, "a sequence outgrew its bound");
  if (tokens <= capacity_) return;
  const std::int64_t capacity =
      std::min(max_tokens_, std::max({tokens, 2 * capacity_, kFirstCapacity}));
  at::Tensor grown = at::empty({layers_, 2, heads_, capacity, head_width_}, at::kFloat);
  if (length_ > 0) grown.narrow(3, 0, length_).copy_(storage_.narrow(3, 0, length_));
  storage_ = std::move(grown);
  capacity_ = capacity;
}

}  // namespace panal::model::detail
