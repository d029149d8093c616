#include "train/detail/trainer.h"

#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/error.h"
#include "tensor/device.h"

namespace panal::train::detail {
namespace {

constexpr double kMeasuredSeconds = 1.0;
constexpr int kMostMeasuredSteps = 8;

std::int64_t elements_of(const std::vector<tensor::NamedTensor>& tensors) {
  std::int64_t count = 0;
  for (const auto& entry : tensors) count += entry.value.numel();
  return count;
}

double num_scored(std::span<const std::int32_t> targets) {
  return static_cast<double>(std::ranges::count_if(
      targets, [](std::int32_t target) { return target != data::kNoTarget; }));
}

// Puts [rows, columns] integers into `to`, on `device`. From pinned memory the host does not wait:
// while the device computes, the next batch is read.
void put_integers(std::span<const std::int32_t> values, std::int64_t rows, at::ScalarType type,
                  const at::Device& device, at::Tensor& to) {
  const std::int64_t columns = std::ssize(values) / rows;
  const at::Tensor host =
      at::empty({rows, columns}, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
  if (type == at::kLong) {
    std::ranges::copy(values, host.data_ptr<std::int64_t>());
  } else {
    std::ranges::copy(values, host.data_ptr<std::int32_t>());
  }
  if (device.is_cpu()) {
    to = host;
    return;
  }
  if (!to.defined())
    to = at::empty({rows, columns}, at::TensorOptions().dtype(type).device(device));
  to.copy_(host, /*non_blocking=*/true);
}

// Documents that are kept apart differ in number from batch to batch, which no recording can
// follow; QK-clip reads what the last pass left in the decoder, which an evaluation replaces.
bool can_capture(const recipe::RunConfig& config, const model::Decoder& decoder,
                 const DataParallel* parallel) {
  return config.cuda_graphs && decoder.device().is_cuda() && parallel == nullptr &&
         !config.qk_clip && config.data.packing == data::Packing::kAcrossDocuments;
}

// On the CPU states are in the host's memory anyhow.
recipe::OptimizerConfig optimizer_of(const recipe::RunConfig& config) {
  recipe::OptimizerConfig optimizer = config.optimizer;
  optimizer.has_states_on_host =
      config.memory.has_states_on_host &&
      tensor::trains_on_cuda(config.device, static_cast<int>(config.parallel.processes));
  return optimizer;
}

}  // namespace

Trainer::Trainer(const recipe::RunConfig& config, model::Decoder decoder, data::TokenMixture stream,
                 swarm::Group* group)
    : config_(config),
      decoder_(std::move(decoder)),
      stream_(std::move(stream)),
      trainable_(decoder_.trainable_parameters()),
      parallel_(group == nullptr || group->size() == 1
                    ? nullptr
                    : std::make_unique<DataParallel>(*group, trainable_, config.optimizer.rule,
                                                     config.parallel.is_through_host)),
      optimizer_(make_own_optimizer()),
      captures_passes_(can_capture(config, decoder_, parallel_.get())),
      pass_graph_(decoder_.device(), captures_passes_) {
  decoder_.set_training_precision(config.precision);
  decoder_.set_recompute(config.memory.recompute);
  if (config.qk_clip) {
    qk_clipping_.emplace(*config.qk_clip, decoder_.config(), trainable_, *optimizer_);
  }
}

std::unique_ptr<optim::Optimizer> Trainer::make_own_optimizer() const {
  const recipe::OptimizerConfig config = optimizer_of(config_);
  return parallel_ ? optim::make_optimizer_of(config, trainable_, parallel_->is_owned())
                   : optim::make_optimizer(config, trainable_);
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
  std::vector<at::Tensor> kept;
  if (captures_passes_) {
    for (const auto& parameter : trainable_) {
      if (parameter.value.grad().defined()) kept.push_back(parameter.value.grad());
    }
    if (!kept.empty()) at::_foreach_zero_(kept);
    return;
  }
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

// Puts these rows of the batch where a pass reads them.
void Trainer::put_inputs(std::int64_t first_row, std::int64_t last_row) {
  const auto context = static_cast<std::size_t>(config_.batch.context);
  const auto put = [&](const std::vector<std::int32_t>& values, at::ScalarType type,
                       at::Tensor& to) {
    const auto rows =
        std::span(values).subspan(static_cast<std::size_t>(first_row) * context,
                                  static_cast<std::size_t>(last_row - first_row) * context);
    put_integers(rows, last_row - first_row, type, decoder_.device(), to);
  };
  put(batch_.tokens, at::kLong, pass_.tokens);
  put(batch_.targets, at::kLong, pass_.targets);
  if (!batch_.first_keys.empty()) put(batch_.first_keys, at::kInt, pass_.first_keys);
}

// Learned targets of the stream's next batches. Batches of which nothing is learned are passed
// over, on every rank alike.
double Trainer::learned_in_next(std::int64_t micro_batches) {
  constexpr int kMostPassedOver = 10'000;
  for (int i = 0; i < kMostPassedOver; ++i) {
    data::TokenMixture ahead = stream_;
    double learned = 0;
    for (std::int64_t batch = 0; batch < micro_batches; ++batch) {
      ok_or_throw(ahead.next(batch_));
      learned += num_scored(batch_.targets);
    }
    if (learned > 0) return learned;
    stream_ = std::move(ahead);
  }
  throw Error(Code::kInvalidArgument,
              fmt::format("nothing is learned in {} steps one after another: the assistant's turns "
                          "are too few for windows of {} tokens",
                          kMostPassedOver, config_.batch.context));
}

// Every rank draws the whole batch, so that all streams stand where one process's would, and takes
// its rows of it. What they count for is their part of the scored targets, as in one mean over all:
// of this batch, or, where `num_learned` targets of the step are learned, of those.
void Trainer::accumulate_micro_batch(std::int64_t micro_batches, double num_learned) {
  const std::int64_t B = config_.batch.sequences, T = config_.batch.context;
  const auto [first, last] = parallel_ ? parallel_->rows(B) : std::pair(std::int64_t{0}, B);
  double share = 1.0 / static_cast<double>(micro_batches);
  if (parallel_ || num_learned > 0) {
    const std::span<const std::int32_t> targets = batch_.targets;
    const double own_scored = num_scored(targets.subspan(
        static_cast<std::size_t>(first * T), static_cast<std::size_t>((last - first) * T)));
    if (own_scored == 0) return;
    share = num_learned > 0 ? own_scored / num_learned : share * (own_scored / num_scored(targets));
  }
  put_inputs(first, last);
  if (num_learned > 0) {
    if (!pass_.share.defined()) {
      pass_.share = at::empty({}, at::TensorOptions().dtype(at::kFloat).device(decoder_.device()));
    }
    pass_.share.fill_(share);
  }
  pass_graph_.run([&] {
    const at::Tensor mean = decoder_.loss(pass_.tokens, pass_.targets, pass_.first_keys);
    if (num_learned > 0) {
      (mean * pass_.share).backward();
      pass_.loss.add_(mean.detach().to(at::kDouble).mul_(pass_.share));
      return;
    }
    (share == 1.0 ? mean : mean * share).backward();
    pass_.loss.add_(mean.detach().to(at::kDouble).mul_(share));
  });
  if (qk_clipping_) qk_clipping_->note(decoder_.attention_maxima());
}

double Trainer::accumulate_gradients(std::int64_t micro_batches) {
  clear_gradients();
  decoder_.weights_changed();
  if (micro_batches != captured_micro_batches_) pass_graph_.reset();
  captured_micro_batches_ = micro_batches;
  if (!pass_.loss.defined()) {
    pass_.loss = at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(decoder_.device()));
  }
  pass_.loss.zero_();
  const double num_learned = stream_.has_mask() ? learned_in_next(micro_batches) : 0;
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    ok_or_throw(stream_.next(batch_));
    if (parallel_ && i + 1 == micro_batches) parallel_->begin_exchange();
    accumulate_micro_batch(micro_batches, num_learned);
  }
  if (parallel_) parallel_->finish_exchange();
  const double loss = pass_.loss.item<double>();
  return parallel_ ? parallel_->sum(loss) : loss;
}

double Trainer::gradient_norm() const {
  return parallel_ ? parallel_->gradient_norm() : optim::gradient_norm(trainable_);
}

optim::Optimizer& Trainer::whole_optimizer() {
  if (!parallel_) return *optimizer_;
  if (!whole_) {
    // Beside a share of the states a CUDA device need not have room for all.
    recipe::OptimizerConfig config = optimizer_of(config_);
    config.has_states_on_host |=
        tensor::trains_on_cuda(config_.device, static_cast<int>(config_.parallel.processes));
    whole_ = optim::make_optimizer(config, trainable_);
  }
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

StepResult Trainer::step(const recipe::Schedule& schedule, std::int64_t step,
                         const OutlierEstimate* outliers) {
  const double factor = recipe::schedule_factor(schedule, step);
  StepResult result;
  result.learning_rate = factor * recipe::main_learning_rate(config_.optimizer);
  const std::int64_t micro_batches =
      recipe::ramped_micro_batches(config_.batch.accumulate, config_.batch.ramp_steps, step);
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
  const auto optimizer = make_own_optimizer();
  std::vector<double> taken;
  double total = 0;
  // The first step pays for fresh memory: it counts only when there is no time for a second one.
  while (taken.size() < 2 ? total < 3 * kMeasuredSeconds
                          : total < kMeasuredSeconds && taken.size() < kMostMeasuredSteps) {
    const Nanoseconds begin = clock.steady_now();
    accumulate_gradients(config_.batch.accumulate);
    gradient_norm();
    optimizer->step(0.0);
    if (parallel_) parallel_->share_weights();
    tensor::finish_work(decoder_.device());
    const double own = seconds(clock.steady_now() - begin);
    // All ranks take as many steps: what each one's clock says must not decide.
    taken.push_back(parallel_ ? parallel_->largest(own) : own);
    total += taken.back();
  }
  clear_gradients();
  if (qk_clipping_) qk_clipping_->forget();
  ok_or_throw(stream_.restore(position));
  const std::size_t first = taken.size() > 1 ? 1 : 0;
  return (total - (first == 1 ? taken[0] : 0.0)) / static_cast<double>(taken.size() - first);
}

recipe::Schedule schedule_of(const recipe::RunConfig& config, std::int64_t planned_steps) {
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
