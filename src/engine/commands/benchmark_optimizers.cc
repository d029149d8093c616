#include "contest/optimizer_benchmark.h"
#include "engine/commands/commands.h"
#include "engine/event_forwarder.h"

namespace panal::engine {
namespace {

// LLaMA with a tied head: what such small models spend on embeddings is spent once.
recipe::ModelConfig model_of(const work::OptimizerContestJob& job) {
  return recipe::with_usual_shape({.vocabulary_size = job.vocabulary_size,
                                   .width = job.width,
                                   .layers = job.layers,
                                   .heads = job.heads,
                                   .context_length = job.context_length});
}

}  // namespace

Result<work::OptimizerContest> benchmark_optimizers(const work::OptimizerContestJob& job,
                                                    const JobContext& context) {
  contest::OptimizerBenchmarkOptions options{
      .data = job.data,
      .folder = context.folder / "tokens",
      .rules = job.rules,
      .target = job.target,
      .seeds = job.seeds,
      .model = model_of(job),
      .sequences = job.sequences,
      .most_steps = job.most_steps,
      .warmup_steps = job.warmup_steps,
      .evaluation_every = job.evaluation_every,
      .evaluation_tokens = job.validation_tokens,
      .learning_rates = job.learning_rates,
      .embedding_learning_rates = job.embedding_learning_rates,
      .extrapolations = job.extrapolations};
  if (job.precision == "bf16") options.precision = tensor::Precision::kBFloat16;
  EventForwarder forwarder(context.events);
  return contest::benchmark_optimizers(options, SystemClock(), forwarder, context.stop);
}

}  // namespace panal::engine
