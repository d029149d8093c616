#include "train/benchmark.h"
#include "train/machine.h"

#include "engine/commands/commands.h"

namespace panal::engine {
namespace {

Result<model::ModelConfig> dimensions_of(const Json& spec) {
  constexpr std::int64_t kMost = 1 << 24;
  model::ModelConfig model;
  PANAL_ASSIGN(const std::string architecture, json_string(spec, "arch", "job"));
  const bool is_gpt2 = architecture == "gpt2";
  model.architecture = is_gpt2 ? model::Architecture::kGpt2 : model::Architecture::kLlama;
  PANAL_ASSIGN(model.layers, json_integer(spec, "layers", "job", 1, 1024));
  PANAL_ASSIGN(model.width, json_integer(spec, "width", "job", 1, 1 << 16));
  PANAL_ASSIGN(model.heads, json_integer(spec, "heads", "job", 1, 1024));
  PANAL_ASSIGN(model.vocabulary_size, json_integer(spec, "vocab", "job", 1, kMost));
  PANAL_ASSIGN(model.context_length, json_integer(spec, "context", "job", 2, kMost));
  model.key_value_heads = model.heads;
  model.head_width = model.width / model.heads;
  model.feed_forward_width = model::usual_feed_forward_width(model.architecture, model.width);
  model.tied_embeddings = is_gpt2;
  model.attention_bias = is_gpt2;
  return model;
}

}  // namespace

Result<Json> benchmark(const JobContext& job) {
  const Json& spec = job.spec;
  train::BenchmarkOptions options;
  PANAL_ASSIGN(options.model, dimensions_of(spec));
  PANAL_ASSIGN(options.sequences, json_integer(spec, "batch", "job", 1, 1 << 16));
  PANAL_ASSIGN(options.steps, json_integer(spec, "steps", "job", 1, 1'000'000));
  PANAL_ASSIGN(options.warmup, json_integer(spec, "warmup", "job", 0, 1'000'000));
  PANAL_ASSIGN(const std::string precision, json_string(spec, "precision", "job"));
  PANAL_ASSIGN(const std::string rule, json_string(spec, "optimizer", "job"));
  if (precision == "bf16") options.precision = tensor::Precision::kBFloat16;
  options.optimizer.rule = rule == "muon" ? optim::Rule::kMuon : optim::Rule::kAdamW;
  options.optimizer.muon.precision = options.precision;
  const SystemClock clock;
  const auto total = static_cast<double>(options.warmup + options.steps);
  PANAL_ASSIGN(
      const train::BenchmarkResult result,
      train::benchmark_training(
          options, clock,
          [&](std::int64_t step, double) {
            job.events.write("progress", Json{{"fraction", static_cast<double>(step + 1) / total}});
          },
          job.stop));
  Json document = spec;
  report::Machine machine = train::describe_machine(options.precision);
  machine.peak_flops = result.gemm_peak_flops;
  machine.memory_bytes_per_s = train::measured_memory_bytes_per_s(clock);
  document.update(Json{{"parameters", result.parameters},
                       {"tokens_per_s", result.tokens_per_s},
                       {"step_s", result.step_s},
                       {"step_s_low", result.step_s_low},
                       {"step_s_high", result.step_s_high},
                       {"gflops", result.flops / 1e9},
                       {"gemm_peak_gflops", result.gemm_peak_flops / 1e9},
                       {"mfu", result.mfu()},
                       {"loss", result.loss},
                       {"step_seconds", result.step_seconds},
                       {"machine", report::machine_to_json(machine)}});
  if (result.peak_resident_bytes) {
    document["peak_resident_bytes"] = *result.peak_resident_bytes;
    document["base_resident_bytes"] = *result.base_resident_bytes;
  }
  return document;
}

}  // namespace panal::engine
