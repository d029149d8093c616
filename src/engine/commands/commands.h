// The kinds of work panal-engine does. Each takes its part of job.json, which it reads strictly,
// and returns the object that becomes the job's result.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "engine/event_writer.h"
#include "work/generation.h"

namespace panal::engine {

struct JobContext {
  const Json& spec;
  std::filesystem::path folder;  // Where the job may write.
  EventWriter& events;
  std::stop_token stop;
};

/// {"path", "adapter"?}: loads a model wholly, with its tokenizer, tries its chat template, and
/// describes it, the tensors that nothing uses among it; or, with the folder of a PEFT adapter,
/// puts that over the model and describes the adapter.
Result<Json> check_model(const JobContext& job);
/// {"path", "output"}: writes a model as a Hugging Face folder that transformers loads.
Result<Json> export_model(const JobContext& job);
/// A work::GenerateJob: continues one prompt.
Result<Json> generate(const JobContext& job);
/// {"model", "adapters"?: [{"name","folder"}], "texts": [{"name","path"}], "context",
/// "max_tokens"}: the loss of the core and of every adapter on every text.
Result<Json> evaluate(const JobContext& job);
/// {"model", "adapters"?: at most one, "task": {"path", "format", "shots", "shots_path"?, "limit"},
/// "context" (0: the model's), "details"?: a file to write}: accuracy on multiple choice.
Result<Json> evaluate_choices(const JobContext& job);
/// {"model", "dataset", "max_tokens_per_document"}: the core's loss on each document, null where it
/// is unknown.
Result<Json> document_losses(const JobContext& job);
/// {"config": YAML text, "config_name", "base_directory"?, "run_directory"}: a training run,
/// resumed when it began before.
Result<Json> train(const JobContext& job);

/// {"config": YAML text, "config_name", "base_directory", "processes"?}: how fast this computer's
/// CPU is and what a training process holds, with the run's threads and precision
/// (machine/measured_facts.h). Some seconds; nothing is trained.
Result<Json> measure(const JobContext& job);
/// {"arch", "layers", "width", "heads", "vocab", "context", "batch", "steps", "warmup",
/// "precision", "optimizer"}: the speed of training steps; gives the spec back with what was
/// measured. In place of arch, layers, width and heads {"preset"}, a name of recipe/presets.h;
/// layers, vocab and context may then stand beside it.
Result<Json> benchmark(const JobContext& job);

/// {"rounds", "seconds", "model"?: a core's path}: speeds alone and beside a process that keeps one
/// core busy.
Result<Json> benchmark_contention(const JobContext& job);

/// {"data": [paths], "rules": [names], "target"?, "seeds", "layers", "width", "heads", "vocab",
/// "context", "batch", "steps", "warmup", "every", "validation_tokens", "precision",
/// "learning_rates", "embedding_learning_rates", "extrapolations": {rule: [values]}}: what update
/// rules take to the same loss; gives the spec back with what contest/optimizer_benchmark.h
/// returns.
Result<Json> benchmark_optimizers(const JobContext& job);

/// Serves one core with its adapters on a unix socket until `stop`: POST /generate, GET /info.
/// Says its work::ServerFacts when it listens.
Status serve(const work::ServingSpec& spec, const std::string& socket, EventWriter& events,
             std::stop_token stop);

}  // namespace panal::engine
