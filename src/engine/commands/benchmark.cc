#include "train/benchmark.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include "tensor/device.h"
#include "train/probes.h"

#include "engine/commands/commands.h"
#include "recipe/presets.h"

namespace panal::engine {
namespace {

constexpr std::int64_t kMost = 1 << 24;

// A preset, with the vocabulary and the context that the spec may name beside it.
Result<recipe::ModelConfig> preset_of(const Json& spec) {
  PANAL_ASSIGN(const std::string name, json_string(spec, "preset", "job"));
  const recipe::Preset* preset = recipe::find_preset(name);
  if (preset == nullptr) {
    return Status(Code::kInvalidArgument,
                  fmt::format("preset must be one of {}, found \"{}\"",
                              fmt::join(recipe::preset_names(), ", "), name));
  }
  recipe::ModelConfig model = preset->config;
  const auto override = [&](const char* key, std::int64_t low, std::int64_t& value) -> Status {
    if (!spec.contains(key)) return Status();
    PANAL_ASSIGN(value, json_integer(spec, key, "job", low, kMost));
    return Status();
  };
  PANAL_TRY(override("layers", 1, model.layers));
  PANAL_TRY(override("vocab", 1, model.vocabulary_size));
  PANAL_TRY(override("context", 2, model.context_length));
  return model;
}

Result<recipe::ModelConfig> dimensions_of(const Json& spec) {
  if (spec.contains("preset")) return preset_of(spec);
  recipe::ModelConfig model;
  PANAL_ASSIGN(const std::string architecture, json_string(spec, "arch", "job"));
  const bool is_gpt2 = architecture == "gpt2";
  model.architecture = is_gpt2 ? recipe::Architecture::kGpt2 : recipe::Architecture::kLlama;
  PANAL_ASSIGN(model.layers, json_integer(spec, "layers", "job", 1, 1024));
  PANAL_ASSIGN(model.width, json_integer(spec, "width", "job", 1, 1 << 16));
  PANAL_ASSIGN(model.heads, json_integer(spec, "heads", "job", 1, 1024));
  PANAL_ASSIGN(model.vocabulary_size, json_integer(spec, "vocab", "job", 1, kMost));
  PANAL_ASSIGN(model.context_length, json_integer(spec, "context", "job", 2, kMost));
  model.key_value_heads = model.heads;
  model.head_width = model.width / model.heads;
  model.feed_forward_width = recipe::usual_feed_forward_width(model.architecture, model.width);
  model.tied_embeddings = is_gpt2;
  model.attention_bias = is_gpt2;
  return model;
}

// How a step keeps what it holds: "weights" and "states" (fp32 or bf16), "recompute"; each may be
// missing.
Status read_memory(const Json& spec, train::BenchmarkOptions& options) {
  const auto is_rounded = [&](const char* key) -> Result<bool> {
    if (!json_has(spec, key)) return false;
    PANAL_ASSIGN(const std::string name, json_string(spec, key, "job"));
    return name == "bf16";
  };
  PANAL_ASSIGN(const bool has_rounded_weights, is_rounded("weights"));
  if (has_rounded_weights) {
    if (options.precision != tensor::Precision::kBFloat16) {
      return Status(Code::kInvalidArgument,
                    "--weights bf16 needs --precision bf16, found fp32: products read the weights "
                    "as they are");
    }
    options.weights = tensor::Precision::kBFloat16;
  }
  PANAL_ASSIGN(const bool has_rounded_states, is_rounded("states"));
  if (has_rounded_states) options.optimizer.state_precision = tensor::Precision::kBFloat16;
  if (!json_has(spec, "recompute")) return Status();
  PANAL_ASSIGN(const std::string name, json_string(spec, "recompute", "job"));
  for (const auto recompute : {recipe::Recompute::kSelective, recipe::Recompute::kFull}) {
    if (name == recipe::recompute_name(recompute)) options.recompute = recompute;
  }
  return Status();
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
  PANAL_ASSIGN(options.device, json_string(spec, "device", "job"));
  const std::string reason = tensor::why_not_trained_on(options.device);
  if (!reason.empty()) return Status(Code::kUnsupported, "--device " + reason);
  PANAL_ASSIGN(const std::string rule, json_string(spec, "optimizer", "job"));
  if (precision == "bf16") options.precision = tensor::Precision::kBFloat16;
  options.optimizer.rule = rule == "muon" ? recipe::Rule::kMuon : recipe::Rule::kAdamW;
  options.optimizer.muon.precision = options.precision;
  PANAL_TRY(read_memory(spec, options));
  const SystemClock clock;
  const auto total = static_cast<double>(options.warmup + options.steps);
  PANAL_ASSIGN(const train::BenchmarkResult result,
               train::benchmark_training(
                   options, clock,
                   [&](std::int64_t step, double) {
                     job.events.write({work::JobAdvance{static_cast<double>(step + 1) / total}});
                   },
                   job.stop));
  Json document = spec;
  document["device"] = result.machine.device;
  document.update(Json{{"arch", recipe::architecture_name(options.model.architecture)},
                       {"layers", options.model.layers},
                       {"width", options.model.width},
                       {"heads", options.model.heads},
                       {"vocab", options.model.vocabulary_size},
                       {"context", options.model.context_length},
                       {"parameters", result.parameters},
                       {"tokens_per_s", result.tokens_per_s},
                       {"step_s", result.step_s},
                       {"step_s_low", result.step_s_low},
                       {"step_s_high", result.step_s_high},
                       {"gflops", result.flops / 1e9},
                       {"gemm_peak_gflops", result.gemm_peak_flops / 1e9},
                       {"mfu", result.mfu()},
                       {"loss", result.loss},
                       {"step_seconds", result.step_seconds},
                       {"machine", machine::machine_to_json(result.machine)}});
  if (result.peak_device_bytes) document["peak_device_bytes"] = *result.peak_device_bytes;
  if (result.peak_resident_bytes) {
    document["peak_resident_bytes"] = *result.peak_resident_bytes;
    document["base_resident_bytes"] = *result.base_resident_bytes;
  }
  return document;
}

}  // namespace panal::engine
