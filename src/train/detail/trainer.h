// The part of a run that computes: one decoder, one optimizer, one stream of batches. It knows
// nothing of files or time limits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "data/token_mixture.h"
#include "model/decoder.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "tensor/named_tensor.h"
#include "train/config.h"
#include "train/detail/outliers.h"

namespace panal::train::detail {

struct StepResult {
  double loss = 0;           // Mean over the step's micro-batches; may be NaN.
  double gradient_norm = 0;  // Before clipping; may be NaN or infinite.
  double learning_rate = 0;  // Of the rule the config names.
  std::int64_t tokens = 0;   // That went in.
  StepVerdict verdict = StepVerdict::kGood;
  bool was_skipped = false;  // The verdict is not kGood: nothing was changed.
};

class Trainer {
 public:
  Trainer(const TrainConfig& config, model::Decoder decoder, data::TokenMixture stream);

  /// While it lives, the decoder holds the weights the optimizer stands for, where that differs
  /// from where it takes gradients (Optimizer::show_evaluation_point). Not nested.
  class EvaluationPoint {
   public:
    explicit EvaluationPoint(Trainer& trainer) : trainer_(trainer) {
      trainer_.show_evaluation_point(true);
    }
    ~EvaluationPoint() { trainer_.show_evaluation_point(false); }
    EvaluationPoint(const EvaluationPoint&) = delete;
    EvaluationPoint& operator=(const EvaluationPoint&) = delete;

   private:
    Trainer& trainer_;
  };

  /// Takes the next batches of the stream through update `step`, counted from 0. With `outliers`,
  /// steps far from its estimate are skipped as those are that are not finite.
  StepResult step(const optim::Schedule& schedule, std::int64_t step,
                  const OutlierEstimate* outliers = nullptr);
  /// Seconds one step takes, with weights, optimizer and stream left as they were.
  double measured_step_seconds(const Clock& clock);

  /// Of a step after the batch ramp.
  std::int64_t tokens_per_step() const;
  std::int64_t num_parameters() const;
  std::int64_t num_trainable_parameters() const;
  const model::Decoder& decoder() const { return decoder_; }
  data::TokenMixture& stream() { return stream_; }
  optim::Optimizer& optimizer() { return *optimizer_; }
  const std::vector<tensor::NamedTensor>& trainable() const { return trainable_; }

 private:
  void show_evaluation_point(bool shown);
  double accumulate_gradients(std::int64_t micro_batches);
  void clear_gradients();

  const TrainConfig config_;
  model::Decoder decoder_;
  data::TokenMixture stream_;
  std::vector<tensor::NamedTensor> trainable_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  bool evaluation_point_differs_ = false;  // From the training point, the last time it was shown.
  data::TokenBatch batch_;                 // Reused by every step.
};

/// The config's schedule over a planned number of steps.
optim::Schedule schedule_of(const TrainConfig& config, std::int64_t planned_steps);

}  // namespace panal::train::detail
