// What one step of training gave.
#pragma once

#include <cstdint>

#include "train/detail/outliers.h"

namespace panal::train::detail {

struct StepResult {
  double loss = 0;                 // Mean over the step's micro-batches; may be NaN.
  double gradient_norm = 0;        // Before clipping; may be NaN or infinite.
  double learning_rate = 0;        // Of the rule the config names.
  std::int64_t tokens = 0;         // That went in.
  std::int64_t clipped_heads = 0;  // Groups of heads that QK-clip scaled.
  StepVerdict verdict = StepVerdict::kGood;
  bool was_skipped = false;  // The verdict is not kGood: nothing was changed.
};

}  // namespace panal::train::detail
