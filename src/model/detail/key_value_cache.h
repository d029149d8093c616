// Keys and values of one sequence, for all layers: contiguous per layer and head, growing by
// doubling up to the most the sequence may hold, so that a short answer costs little and a long one
// is copied a few times at most.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "recipe/model_config.h"

namespace panal::model::detail {

class KeyValueCache {
 public:
  KeyValueCache(const recipe::ModelConfig& config, std::int64_t max_tokens);

  std::int64_t length() const { return length_; }
  std::int64_t max_tokens() const { return max_tokens_; }
  /// Makes room for `tokens` in total (at most max_tokens). What is stored stays. Throws when
  /// memory is out.
  void reserve(std::int64_t tokens);
  /// Declares the first `tokens` to be valid.
  void set_length(std::int64_t tokens) { length_ = tokens; }

  /// [capacity, head_width] of one head.
  float* keys(std::int64_t layer, std::int64_t head) { return place(layer, 0, head); }
  float* values(std::int64_t layer, std::int64_t head) { return place(layer, 1, head); }
  /// Keys (which 0) or values (which 1) of a layer: [heads, length, head_width], a view.
  at::Tensor view(std::int64_t layer, std::int64_t which, std::int64_t length) const {
    return storage_.select(0, layer).select(0, which).narrow(1, 0, length);
  }

 private:
  float* place(std::int64_t layer, std::int64_t which, std::int64_t head) {
    return storage_.data_ptr<float>() +
           ((layer * 2 + which) * heads_ + head) * capacity_ * head_width_;
  }
  const std::int64_t layers_, heads_, head_width_, max_tokens_;
  std::int64_t capacity_ = 0;
  std::int64_t length_ = 0;
  at::Tensor storage_;  // [layers, 2, heads, capacity, head_width]
};

}  // namespace panal::model::detail
