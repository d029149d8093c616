#include "train/detail/trainer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

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
at::Tensor integers(std::span<const std::int32_t> values, std::int64_t rows, std::int64_t columns) {
  const at::Tensor made = at::empty({rows, columns}, at::kLong);
  std::copy(values.begin(), values.end(), made.data_ptr<std::int64_t>());
  return made;
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, model::Decoder decoder, data::TokenMixture stream,
                 swarm::Group* group)
    : config_(config),
      decoder_(std::move(decoder)),
      stream_(std::move(stream)),
      trainable_(decoder_.trainable_parameters()),
      parallel_(group == nullptr || group->size() == 1
                    ? nullptr
                    : std::make_unique<DataParallel>(*group, trainable_, config.optimizer.rule)),
      optimizer_(parallel_
                     ? optim::make_optimizer_of(config.optimizer, trainable_, parallel_->is_owned())
                     : optim::make_optimizer(config.optimizer, trainable_)) {
  decoder_.set_training_precision(config.precision);
  decoder_.set_recompute(config.memory.recompute);
  if (config.qk_clip) {
    qk_clipping_.emplace(*config.qk_clip, decoder_.config(), trainable_, *optimizer_);
  }
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
  if (parallel_) {
    evaluation_point_differs_ = parallel_->sum(evaluation_point_differs_ ? 1 : 0) > 0;
    if (evaluation_point_differs_) parallel_->share_weights();
  }
  if (evaluation_point_differs_) decoder_.weights_changed();
}

// Every rank draws the whole batch, so that all streams stand where one process's would, and takes
// its rows of it. What they count for is their part of the scored targets, as in one mean over all.
double Trainer::accumulate_micro_batch(double share) {
  const std::int64_t B = config_.batch.sequences, T = config_.batch.context;
  const auto [first, last] = parallel_ ? parallel_->rows(B) : std::pair(std::int64_t{0}, B);
  const auto own = [&, first = first, last = last](const std::vector<std::int32_t>& values) {
    return integers(std::span(values).subspan(static_cast<std::size_t>(first * T),
                                              static_cast<std::size_t>((last - first) * T)),
                    last - first, T);
  };
  if (parallel_) {
    const auto scored = [](std::span<const std::int32_t> targets) {
      return static_cast<double>(std::ranges::count_if(
          targets, [](std::int32_t target) { return target != data::kNoTarget; }));
    };
    const std::span<const std::int32_t> targets = batch_.targets;
    const double own_scored = scored(targets.subspan(static_cast<std::size_t>(first * T),
                                                     static_cast<std::size_t>((last - first) * T)));
    if (own_scored == 0) return 0;
    share *= own_scored / scored(targets);
  }
  const at::Tensor mean =
      decoder_.loss(own(batch_.tokens), own(batch_.targets),
                    batch_.first_keys.empty() ? at::Tensor() : own(batch_.first_keys).to(at::kInt));
  if (qk_clipping_) qk_clipping_->note(decoder_.attention_maxima());
  (share == 1.0 ? mean : mean * share).backward();
  return mean.item<double>() * share;
}

double Trainer::accumulate_gradients(std::int64_t micro_batches) {
  clear_gradients();
  decoder_.weights_changed();
  double loss = 0;
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    ok_or_throw(stream_.next(batch_));
    if (parallel_ && i + 1 == micro_batches) parallel_->begin_exchange();
    loss += accumulate_micro_batch(1.0 / static_cast<double>(micro_batches));
  }
  if (!parallel_) return loss;
  parallel_->finish_exchange();
  return parallel_->sum(loss);
}

double Trainer::gradient_norm() const {
  return parallel_ ? parallel_->gradient_norm() : optim::gradient_norm(trainable_);
}

optim::Optimizer& Trainer::whole_optimizer() {
  if (!parallel_) return *optimizer_;
  if (!whole_) whole_ = optim::make_optimizer(config_.optimizer, trainable_);
  return *whole_;
}

void Trainer::gather_state() {
  if (!parallel_) return;
  parallel_->gather_state(*optimizer_, parallel_->is_first() ? &whole_optimizer() : nullptr);
}

void Trainer::adopt_from_first_rank() {
  if (!parallel_) return;
  parallel_->broadcast_weights();
  parallel_->scatter_state(parallel_->is_first() ? &whole_optimizer() : nullptr, *optimizer_);
  release_whole();
}

void Trainer::update(double factor, double gradient_scale, StepResult& result) {
  optimizer_->step(factor, gradient_scale);
  if (qk_clipping_) {
    // Every rank clips all it holds by the same bounds; what counts is what the owners have.
    if (parallel_) parallel_->largest(qk_clipping_->largest_logits());
    result.clipped_heads = qk_clipping_->clip();
  }
  if (parallel_) parallel_->share_weights();
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
  result.gradient_norm = gradient_norm();
  const bool is_finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (outliers != nullptr) {
    result.verdict = outliers->judge(result.loss, result.gradient_norm);
  } else if (!is_finite) {
    result.verdict = StepVerdict::kNotFinite;
  }
  if (parallel_) result.verdict = parallel_->of_first_rank(result.verdict);
  result.was_skipped = result.verdict != StepVerdict::kGood;
  if (!result.was_skipped) {
    update(factor, optim::clip_scale(result.gradient_norm, config_.clip_norm), result);
  }
  clear_gradients();  // Their memory is what evaluations and checkpoints work in.
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
