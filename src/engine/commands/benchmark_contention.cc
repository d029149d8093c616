#include "base/timing.h"
#include "engine/busy_process.h"
#include "engine/commands/commands.h"
#include "machine/inventory.h"
#include "tensor/precision.h"
#include "train/contention_benchmark.h"
#include "train/probes.h"

namespace panal::engine {
namespace {

// The 23M GPT-2 of docs/benchmarks.md.
recipe::ModelConfig pretrained_shape() {
  recipe::ModelConfig model;
  model.architecture = recipe::Architecture::kGpt2;
  model.layers = model.heads = model.key_value_heads = 6;
  model.width = 384;
  model.head_width = 64;
  model.vocabulary_size = 32768;
  model.context_length = 512;
  model.feed_forward_width = recipe::usual_feed_forward_width(model.architecture, model.width);
  model.tied_embeddings = model.attention_bias = true;
  return model;
}

// SmolLM2-135M's.
recipe::ModelConfig core_shape() {
  recipe::ModelConfig model;
  model.architecture = recipe::Architecture::kLlama;
  model.layers = 30;
  model.width = 576;
  model.heads = 9;
  model.key_value_heads = 3;
  model.head_width = 64;
  model.vocabulary_size = 49152;
  model.context_length = 256;
  model.feed_forward_width = 1536;
  model.tied_embeddings = true;
  return model;
}

Json to_json(const train::ContentionResult& result) {
  return {{"work", result.work},
          {"alone_tokens_per_s", result.alone_tokens_per_s},
          {"busy_tokens_per_s", result.busy_tokens_per_s},
          {"ratio", result.ratio},
          {"lowest_ratio", result.lowest_ratio},
          {"highest_ratio", result.highest_ratio},
          {"alone", result.alone},
          {"busy", result.busy}};
}

}  // namespace

Result<Json> benchmark_contention(const JobContext& job) {
  const Json& spec = job.spec;
  train::ContentionOptions options{.model = pretrained_shape(), .core = core_shape()};
  PANAL_ASSIGN(options.rounds, json_integer(spec, "rounds", "job", 1, 1000));
  PANAL_ASSIGN(options.seconds_per_phase, json_number(spec, "seconds", "job", 0, 3600));
  if (json_has(spec, "model")) {
    PANAL_ASSIGN(const std::string path, json_string(spec, "model", "job"));
    options.served = path;
  }
  if (machine::cpu_multiplies_bfloat16()) options.lora_precision = tensor::Precision::kBFloat16;
  PANAL_ASSIGN(const auto other, BusyProcess::start());
  PANAL_ASSIGN(
      const std::vector<train::ContentionResult> results,
      train::benchmark_contention(
          options, system_clock(), [&](bool is_busy) { other->set_busy(is_busy); },
          [&](double fraction) { job.events.write({work::JobAdvance{fraction}}); }, job.stop));
  Json document = spec;
  document["works"] = Json::array();
  for (const train::ContentionResult& result : results)
    document["works"].push_back(to_json(result));
  document["machine"] = machine::machine_to_json(train::describe_machine(options.lora_precision));
  return document;
}

}  // namespace panal::engine
