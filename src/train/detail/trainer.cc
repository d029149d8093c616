#include "train/detail/trainer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace panal::train::detail {
namespace {

constexpr double kMeasuredSeconds = 1.0;
constexpr int kMostMeasuredSteps = 8;

std::int64_t elements_of(const std::vector<tensor::NamedTensor>& tensors) {
  std::int64_t count = 0;
  for (const auto& entry : tensors) count += entry.value.numel();
  return count;
}

// [rows, columns] int64.
at::Tensor integers(const std::vector<std::int32_t>& values, std::int64_t rows,
                    std::int64_t columns) {
  const at::Tensor made = at::empty({rows, columns}, at::kLong);
  std::copy(values.begin(), values.end(), made.data_ptr<std::int64_t>());
  return made;
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, model::Decoder decoder, data::TokenMixture stream)
    : config_(config),
      decoder_(std::move(decoder)),
      stream_(std::move(stream)),
      trainable_(decoder_.trainable_parameters()),
      optimizer_(optim::make_optimizer(config.optimizer, trainable_)) {
  decoder_.set_training_precision(config.precision);
}

std::int64_t Trainer::tokens_per_step() const {
  return config_.batch.sequences * config_.batch.accumulate * config_.batch.context;
}

std::int64_t Trainer::num_parameters() const {
  const std::int64_t core = elements_of(decoder_.parameters());
  return decoder_.lora() ? core + num_trainable_parameters() : core;
}

std::int64_t Trainer::num_trainable_parameters() const { return elements_of(trainable_); }

void Trainer::clear_gradients() {
  for (auto& parameter : trainable_) parameter.value.mutable_grad() = at::Tensor();
}

void Trainer::show_evaluation_point(bool shown) {
  if (shown) {
    evaluation_point_differs_ = optimizer_->show_evaluation_point();
  } else {
    optimizer_->show_training_point();
  }
  if (evaluation_point_differs_) decoder_.weights_changed();
}

double Trainer::accumulate_gradients(std::int64_t micro_batches) {
  clear_gradients();
  decoder_.weights_changed();
  const std::int64_t B = config_.batch.sequences, T = config_.batch.context;
  double loss = 0;
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    ok_or_throw(stream_.next(batch_));
    const at::Tensor mean = decoder_.loss(
        integers(batch_.tokens, B, T), integers(batch_.targets, B, T),
        batch_.first_keys.empty() ? at::Tensor() : integers(batch_.first_keys, B, T).to(at::kInt));
    const auto share = 1.0 / static_cast<double>(micro_batches);
    (micro_batches == 1 ? mean : mean * share).backward();
    loss += mean.item<double>() * share;
  }
  return loss;
}

StepResult Trainer::step(const optim::Schedule& schedule, std::int64_t step,
                         const OutlierEstimate* outliers) {
  const double factor = optim::schedule_factor(schedule, step);
  StepResult result;
  result.learning_rate = factor * optim::main_learning_rate(config_.optimizer);
  const std::int64_t micro_batches =
      optim::ramped_micro_batches(config_.batch.accumulate, config_.batch.ramp_steps, step);
  result.tokens = config_.batch.sequences * config_.batch.context * micro_batches;
  result.loss = accumulate_gradients(micro_batches);
  result.gradient_norm = optim::gradient_norm(trainable_);
  const bool is_finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (outliers != nullptr) {
    result.verdict = outliers->judge(result.loss, result.gradient_norm);
  } else if (!is_finite) {
    result.verdict = StepVerdict::kNotFinite;
  }
  result.was_skipped = result.verdict != StepVerdict::kGood;
  if (result.was_skipped) return result;
  optimizer_->step(factor, optim::clip_scale(result.gradient_norm, config_.clip_norm));
  return result;
}

double Trainer::measured_step_seconds(const Clock& clock) {
  const Json position = stream_.state();
  // A learning rate of 0 leaves the weights as they are; the moments are those of another
  // optimizer.
  const auto optimizer = optim::make_optimizer(config_.optimizer, trainable_);
  std::vector<double> taken;
  double total = 0;
  // The first step pays for fresh memory: it counts only when there is no time for a second one.
  while (taken.size() < 2 ? total < 3 * kMeasuredSeconds
                          : total < kMeasuredSeconds && taken.size() < kMostMeasuredSteps) {
    const Nanoseconds begin = clock.steady_now();
    accumulate_gradients(config_.batch.accumulate);
    optim::gradient_norm(trainable_);
    optimizer->step(0.0);
    taken.push_back(seconds(clock.steady_now() - begin));
    total += taken.back();
  }
  clear_gradients();
  ok_or_throw(stream_.restore(position));
  const std::size_t first = taken.size() > 1 ? 1 : 0;
  return (total - (first == 1 ? taken[0] : 0.0)) / static_cast<double>(taken.size() - first);
}

optim::Schedule schedule_of(const TrainConfig& config, std::int64_t planned_steps) {
  const auto& schedule = config.schedule;
  const auto share = static_cast<std::int64_t>(
      std::llround(schedule.warmup_fraction * static_cast<double>(planned_steps)));
  return {.shape = schedule.shape,
          .total_steps = planned_steps,
          .warmup_steps = std::min(schedule.warmup_steps.value_or(share), planned_steps),
          .final_fraction = schedule.final_fraction,
          .decay_fraction = schedule.decay_fraction};
}

}  // namespace panal::train::detail
