#include "train/detail/target_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tensor/runtime.h"
#include "train/detail/trainer.h"
#include "train/evaluate.h"

namespace panal::train::detail {
namespace {

// A run this far over the loss it began with knows less than nothing and will not come back.
constexpr double kHopelessNats = 1.0;

Result<double> validation_loss(Trainer& trainer, const TargetTask& task, std::stop_token stop) {
  trainer.show_evaluation_point(true);
  const auto found = evaluate(trainer.decoder(), task.validation_tokens,
                              {.context = task.config.batch.context,
                               .batch = task.config.batch.sequences,
                               .stop = std::move(stop)});
  trainer.show_evaluation_point(false);
  PANAL_TRY(found.status());
  return found->loss;
}

Result<data::TokenMixture> open_stream(const TargetTask& task, std::uint64_t seed) {
  const auto& batch = task.config.batch;
  auto stream =
      data::TokenMixture::open(task.corpus.training, {.batch = batch.sequences,
                                                      .context = batch.context,
                                                      .end_of_text = task.corpus.end_of_text,
                                                      .seed = seed});
  if (!stream.ok()) return stream.status().with_context("training data");
  return stream;
}

}  // namespace

Result<TargetRun> run_to_target(const TargetTask& task, const optim::OptimizerConfig& optimizer,
                                const TargetRunOptions& options, const Clock& clock,
                                RunEvents& events, std::stop_token stop) {
  TrainConfig config = task.config;
  config.seed = options.seed;
  config.optimizer = optimizer;
  config.optimizer.muon.precision = config.precision;
  tensor::seed_everything(config.seed);
  PANAL_ASSIGN(data::TokenMixture stream, open_stream(task, config.seed));
  Trainer trainer(config, model::Decoder::random(config.model.dimensions, config.seed),
                  std::move(stream));
  // A run that is cut short warms up as its longer brothers do.
  const optim::Schedule schedule =
      schedule_of(config, std::max(options.most_steps, config.schedule.warmup_steps.value_or(0)));

  TargetRun run{.seed = options.seed};
  LossReading now;
  const auto read_loss = [&]() -> Status {
    PANAL_ASSIGN(now.loss, validation_loss(trainer, task, stop));
    run.has_diverged = !std::isfinite(now.loss);
    if (run.has_diverged) return Status();
    run.curve.push_back(now);
    run.has_diverged = now.loss > run.curve.front().loss + kHopelessNats;
    if (options.target) run.reached = crossing(run.curve, *options.target);
    return Status();
  };
  PANAL_TRY(read_loss());
  while (now.step < options.most_steps && !run.reached && !run.has_diverged) {
    if (stop.stop_requested()) return Status(Code::kCancelled, "stopped while training");
    const Nanoseconds begin = clock.steady_now();
    const StepResult result = trainer.step(schedule, now.step);
    const double taken = seconds(clock.steady_now() - begin);
    ++now.step;
    now.tokens += result.tokens;
    now.seconds += taken;
    run.has_diverged = result.was_skipped;
    const double mean_seconds = now.seconds / static_cast<double>(now.step);
    events.on_progress(
        {.step = now.step,
         .steps = options.most_steps,
         .loss = result.loss,
         .learning_rate = result.learning_rate,
         .tokens = now.tokens,
         .tokens_per_second = static_cast<double>(now.tokens) / now.seconds,
         .seconds_left = mean_seconds * static_cast<double>(options.most_steps - now.step)});
    const bool is_due =
        now.step % config.evaluation.every_steps == 0 || now.step == options.most_steps;
    if (is_due && !run.has_diverged) PANAL_TRY(read_loss());
  }
  return run;
}

}  // namespace panal::train::detail
