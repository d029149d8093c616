// The part of a run that computes: one decoder, one optimizer, one stream of batches. It knows
// nothing of files or time limits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "data/token_mixture.h"
#include "model/decoder.h"
#include "optim/optimizer.h"
#include "recipe/run_config.h"
#include "recipe/schedule.h"
#include "tensor/cuda_graph.h"
#include "tensor/named_tensor.h"
#include "train/detail/data_parallel.h"
#include "train/detail/outliers.h"
#include "train/detail/qk_clipping.h"
#include "train/detail/step_result.h"

namespace panal::train::detail {

class Trainer {
 public:
  /// With a group of several ranks the methods that say so are called on all of them.
  Trainer(const recipe::RunConfig& config, model::Decoder decoder, data::TokenMixture stream,
          swarm::Group* group = nullptr);

  /// Puts the weights the optimizer stands for into the decoder, where they differ from where it
  /// takes gradients (Optimizer::show_evaluation_point), or takes them out again. On all ranks.
  void show_evaluation_point(bool shown);

  /// Takes the next batches of the stream through update `step`, counted from 0. With `outliers`,
  /// steps far from its estimate are skipped as those are that are not finite; rank 0's count. On
  /// all ranks.
  StepResult step(const recipe::Schedule& schedule, std::int64_t step,
                  const OutlierEstimate* outliers = nullptr);
  /// Seconds one step takes, with weights, optimizer and stream left as they were. On all ranks;
  /// the slowest one's seconds, equal on all of them.
  double measured_step_seconds(const Clock& clock);

  /// Of a step after the batch ramp.
  std::int64_t tokens_per_step() const;
  std::int64_t num_parameters() const;
  std::int64_t num_trainable_parameters() const;
  const model::Decoder& decoder() const { return decoder_; }
  /// Whether several ranks exchange gradients and weights from device to device.
  bool is_between_devices() const { return parallel_ && parallel_->is_between_devices(); }
  data::TokenMixture& stream() { return stream_; }
  /// The optimizer of all parameters, to save or load: with several ranks another one than that
  /// which steps, until release_whole(). Not collective.
  optim::Optimizer& whole_optimizer();
  void release_whole() { whole_.reset(); }
  /// Fills rank 0's whole_optimizer() from all ranks. On all ranks; with one there is nothing to
  /// do.
  void gather_state();
  /// Rank 0's weights and whole optimizer become everybody's. On all ranks.
  void adopt_from_first_rank();
  const std::vector<tensor::NamedTensor>& trainable() const { return trainable_; }

 private:
  double accumulate_gradients(std::int64_t micro_batches);
  void accumulate_micro_batch(std::int64_t micro_batches, double num_learned);
  double learned_in_next(std::int64_t micro_batches);
  void put_inputs(std::int64_t first_row, std::int64_t last_row);
  double gradient_norm() const;
  // A fresh one of this rank's parameters.
  std::unique_ptr<optim::Optimizer> make_own_optimizer() const;
  void update(double factor, double gradient_scale, StepResult& result);
  void clear_gradients();

  // What a pass reads, and what it adds to: where the decoder is. On a CUDA device they stay the
  // same tensors for good.
  struct PassTensors {
    at::Tensor tokens{}, targets{};  // [rows, T] int64
    at::Tensor first_keys{};         // [rows, T] int32, or undefined.
    at::Tensor loss{};               // [] float64: the sum over the passes of a step.
    at::Tensor share{};  // [] float32: what a pass counts for, where it differs from pass to pass.
  };

  const recipe::RunConfig config_;
  model::Decoder decoder_;
  data::TokenMixture stream_;
  std::vector<tensor::NamedTensor> trainable_;
  std::unique_ptr<DataParallel> parallel_;       // Null for one rank. Before what it serves.
  std::unique_ptr<optim::Optimizer> optimizer_;  // Of this rank's parameters.
  std::unique_ptr<optim::Optimizer> whole_;
  std::optional<QkClipping> qk_clipping_;  // Of the live weights.
  // Whether passes are captured: then their gradients stay where they are from step to step.
  const bool captures_passes_;
  PassTensors pass_;
  tensor::CudaGraph pass_graph_;
  std::int64_t captured_micro_batches_ = 0;  // What a captured pass divides by.
  bool evaluation_point_differs_ = false;    // From the training point, the last time it was shown.
  data::TokenBatch batch_;                   // Reused by every step.
};

/// The config's schedule over a planned number of steps.
recipe::Schedule schedule_of(const recipe::RunConfig& config, std::int64_t planned_steps);

}  // namespace panal::train::detail
