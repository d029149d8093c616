// What is left of panal's speed beside another program that keeps one core busy. A fair share of
// two cores between two threads of ours and one of theirs is two thirds; threads that wait for each
// other at every pass get less, when one that was taken off its core holds up the rest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "recipe/model_config.h"
#include "tensor/precision.h"
#include "work/benchmark_jobs.h"

namespace panal::train {

struct ContentionOptions {
  recipe::ModelConfig model{};      // Pre-trained, with AdamW, in fp32 and in bf16.
  std::int64_t sequences = 4;       // Of model.context_length tokens each.
  recipe::ModelConfig core{};       // LoRA over random weights of this shape, in `precision`.
  std::int64_t core_sequences = 4;  // Of core.context_length tokens each.
  std::int64_t lora_rank = 8;       // On all linear layers.
  tensor::Precision lora_precision = tensor::Precision::kFloat32;
  /// Generates from this core too, one stream; empty: not measured.
  std::filesystem::path served{};
  std::int64_t rounds = 5;       // Each is measured alone and beside the other program; 1 or more.
  double seconds_per_phase = 2;  // At least one step, too.
};

/// Takes turns: alone, then with set_busy(true) in effect. `on_phase` hears of each phase with what
/// it is a fraction of. Errors: kInvalidArgument for dimensions that do not fit, those of loading
/// `served`, kCancelled. set_busy(false) has been called at the end, whatever it is.
Result<std::vector<work::ContentionFigures>> benchmark_contention(
    const ContentionOptions& options, const Clock& clock,
    const std::function<void(bool is_busy)>& set_busy,
    const std::function<void(double fraction)>& on_phase, std::stop_token stop);

}  // namespace panal::train
