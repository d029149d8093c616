#include "train/trial_runs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "evaluate/evaluate.h"
#include "tensor/runtime.h"
#include "train/detail/corpus.h"
#include "train/detail/trainer.h"

namespace panal::train {

struct TrialRuns::State {
  recipe::RunConfig config;  // Seed and optimizer are each run's.
  detail::Corpus corpus;
  std::vector<std::int32_t> validation_tokens;
};

namespace {

using detail::StepResult;
using detail::Trainer;

// A run this far over the loss it began with knows less than nothing and will not come back.
constexpr double kHopelessNats = 1.0;

Result<double> validation_loss(Trainer& trainer, std::span<const std::int32_t> tokens,
                               const recipe::RunConfig& config, std::stop_token stop) {
  trainer.show_evaluation_point(true);
  const auto found = evaluate::evaluate(
      trainer.decoder(), tokens,
      {.context = config.batch.context, .batch = config.batch.sequences, .stop = std::move(stop)});
  trainer.show_evaluation_point(false);
  PANAL_TRY(found.status());
  return found->loss;
}

Result<data::TokenMixture> open_stream(const detail::Corpus& corpus,
                                       const recipe::RunConfig& config) {
  auto stream = data::TokenMixture::open(corpus.training, {.batch = config.batch.sequences,
                                                           .context = config.batch.context,
                                                           .end_of_text = corpus.end_of_text,
                                                           .seed = config.seed});
  if (!stream.ok()) return stream.status().with_context("training data");
  return stream;
}

void tell(const LossReading& now, const StepResult& result, std::int64_t most_steps,
          RunEvents& events) {
  const double mean_seconds = now.seconds / static_cast<double>(now.step);
  events.on_progress({.step = now.step,
                      .steps = most_steps,
                      .loss = result.loss,
                      .learning_rate = result.learning_rate,
                      .tokens = now.tokens,
                      .tokens_per_s = static_cast<double>(now.tokens) / now.seconds,
                      .seconds_left = mean_seconds * static_cast<double>(most_steps - now.step)});
}

}  // namespace

Result<TrialRuns> TrialRuns::prepare(recipe::RunConfig config, const std::filesystem::path& folder,
                                     std::int64_t most_validation_tokens, RunEvents& events,
                                     std::stop_token stop) {
  config.run_directory = folder;
  PANAL_ASSIGN(detail::Corpus corpus,
               detail::open_corpus(
                   config, {.files = store::posix_file_system(),
                            .run_directory = folder,
                            .message = [&](std::string_view text) { events.on_message(text); },
                            .stop = std::move(stop)}));
  // Short texts have fewer pairs to merge.
  config.model.dimensions.vocabulary_size = corpus.facts.vocabulary_size;
  if (!corpus.validation || corpus.validation->num_tokens() < 2) {
    return Status(Code::kInvalidArgument,
                  "the data must be long enough to hold some of it out, found a single passage");
  }
  std::vector<std::int32_t> validation(
      static_cast<std::size_t>(std::min(corpus.validation->num_tokens(), most_validation_tokens)));
  PANAL_TRY(corpus.validation->read(0, validation));
  return TrialRuns(
      std::make_shared<const State>(State{.config = std::move(config),
                                          .corpus = std::move(corpus),
                                          .validation_tokens = std::move(validation)}));
}

const recipe::ModelConfig& TrialRuns::model() const { return state_->config.model.dimensions; }

std::string TrialRuns::dataset_sha256() const { return state_->corpus.facts.dataset_sha256; }

std::int64_t TrialRuns::training_tokens() const {
  std::int64_t tokens = 0;
  for (const auto& source : state_->corpus.training) {
    for (const auto& shard : source.shards) tokens += shard.num_tokens();
  }
  return tokens;
}

std::int64_t TrialRuns::validation_tokens() const {
  return static_cast<std::int64_t>(state_->validation_tokens.size());
}

Result<TrialRun> TrialRuns::run(const recipe::OptimizerConfig& optimizer,
                                const TrialOptions& options, const Clock& clock, RunEvents& events,
                                std::stop_token stop) const {
  recipe::RunConfig config = state_->config;
  config.seed = options.seed;
  config.optimizer = optimizer;
  config.optimizer.muon.precision = config.precision;
  tensor::seed_everything(config.seed);
  PANAL_ASSIGN(data::TokenMixture stream, open_stream(state_->corpus, config));
  Trainer trainer(config, model::Decoder::random(config.model.dimensions, config.seed),
                  std::move(stream));
  // A run that is cut short warms up as its longer brothers do.
  const recipe::Schedule schedule = detail::schedule_of(
      config, std::max(options.most_steps, config.schedule.warmup_steps.value_or(0)));

  TrialRun run{.seed = options.seed};
  LossReading now;
  bool is_enough = false;
  const auto read_loss = [&]() -> Status {
    PANAL_ASSIGN(now.loss, validation_loss(trainer, state_->validation_tokens, config, stop));
    run.has_diverged = !std::isfinite(now.loss);
    if (run.has_diverged) return Status();
    run.curve.push_back(now);
    run.has_diverged = now.loss > run.curve.front().loss + kHopelessNats;
    is_enough = options.is_enough && options.is_enough(run.curve);
    return Status();
  };
  PANAL_TRY(read_loss());
  while (now.step < options.most_steps && !is_enough && !run.has_diverged) {
    if (stop.stop_requested()) return Status(Code::kCancelled, "stopped while training");
    const Nanoseconds begin = clock.steady_now();
    const StepResult result = trainer.step(schedule, now.step);
    const double taken = seconds(clock.steady_now() - begin);
    ++now.step;
    now.tokens += result.tokens;
    now.seconds += taken;
    run.has_diverged = result.was_skipped;
    tell(now, result, options.most_steps, events);
    const bool is_due =
        now.step % config.evaluation.every_steps == 0 || now.step == options.most_steps;
    if (is_due && !run.has_diverged) PANAL_TRY(read_loss());
  }
  return run;
}

}  // namespace panal::train
