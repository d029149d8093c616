// The speed of training steps alone: a fresh model on random tokens, as `panal bench train` and the
// PyTorch script it is compared with measure it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "machine/machine.h"
#include "optim/optimizer.h"
#include "recipe/model_config.h"
#include "recipe/recompute.h"
#include "tensor/precision.h"

namespace panal::train {

struct BenchmarkOptions {
  recipe::ModelConfig model{};
  recipe::OptimizerConfig optimizer{};
  tensor::Precision precision = tensor::Precision::kFloat32;
  tensor::Precision weights = tensor::Precision::kFloat32;  // As a run file's memory.weights.
  recipe::Recompute recompute = recipe::Recompute::kNone;
  std::string device = "cpu";  // As tensor/device.h has it.
  std::int64_t sequences = 4;  // Of model.context_length tokens each.
  std::int64_t warmup = 2;     // Steps that are not counted; 0 or more.
  std::int64_t steps = 5;      // 1 or more.
};

struct BenchmarkResult {
  std::int64_t parameters = 0;
  std::vector<double> step_seconds{};  // In their order.
  /// The most the process held during the steps, and what it held before the model was made;
  /// empty where /proc is missing.
  std::optional<std::int64_t> peak_resident_bytes{}, base_resident_bytes{};
  std::optional<std::int64_t> peak_device_bytes{};  // Of tensors on a CUDA device.
  machine::Machine machine{};                       // With the peaks that were measured.
  double step_s = 0;                                // Median.
  double step_s_low = 0;                            // Fastest.
  double step_s_high = 0;                           // Slowest.
  double tokens_per_s = 0;                          // At the median.
  double flops = 0;  // Of the model, per second, at the median (training_flops_per_token).
  double gemm_peak_flops = 0;
  double loss = 0;  // Of the last step.
  double mfu() const { return flops / gemm_peak_flops; }
};

/// Runs warmup + steps updates. `on_step` hears of each with its seconds. Errors: kInvalidArgument
/// for dimensions that do not fit, kCancelled.
Result<BenchmarkResult> benchmark_training(
    const BenchmarkOptions& options, const Clock& clock,
    const std::function<void(std::int64_t step, double seconds)>& on_step, std::stop_token stop);

}  // namespace panal::train
