#include "train/benchmark.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include "tensor/device.h"
#include "train/probes.h"

#include "engine/commands/commands.h"
#include "recipe/presets.h"

namespace panal::engine {
namespace {

tensor::Precision precision_of(const std::string& name) {
  return name == tensor::precision_name(tensor::Precision::kBFloat16) ? tensor::Precision::kBFloat16
                                                                      : tensor::Precision::kFloat32;
}

// A preset, with what the job changes of its shape.
Result<recipe::ModelConfig> preset_of(const work::TrainingBenchmarkJob& job) {
  const recipe::Preset* preset = recipe::find_preset(*job.preset);
  if (preset == nullptr) {
    return Status(Code::kInvalidArgument,
                  fmt::format("preset must be one of {}, found \"{}\"",
                              fmt::join(recipe::preset_names(), ", "), *job.preset));
  }
  recipe::ModelConfig model = preset->config;
  model.layers = job.layers.value_or(model.layers);
  model.vocabulary_size = job.vocabulary_size.value_or(model.vocabulary_size);
  model.context_length = job.context_length.value_or(model.context_length);
  return model;
}

Result<recipe::ModelConfig> dimensions_of(const work::TrainingBenchmarkJob& job) {
  if (job.preset) return preset_of(job);
  if (!job.arch || !job.layers || !job.width || !job.heads || !job.vocabulary_size ||
      !job.context_length) {
    return Status(Code::kInvalidArgument,
                  "job: without \"preset\", all of \"arch\", \"layers\", \"width\", \"heads\", "
                  "\"vocab\" and \"context\" are wanted");
  }
  const bool is_gpt2 = job.arch == "gpt2";
  return recipe::with_usual_shape(
      {.architecture = is_gpt2 ? recipe::Architecture::kGpt2 : recipe::Architecture::kLlama,
       .vocabulary_size = *job.vocabulary_size,
       .width = *job.width,
       .layers = *job.layers,
       .heads = *job.heads,
       .context_length = *job.context_length,
       .tied_embeddings = is_gpt2});
}

Result<train::BenchmarkOptions> options_of(const work::TrainingBenchmarkJob& job) {
  train::BenchmarkOptions options{.precision = precision_of(job.precision),
                                  .weights = precision_of(job.weights),
                                  .device = job.device,
                                  .sequences = job.sequences,
                                  .warmup = job.warmup_steps,
                                  .steps = job.steps};
  PANAL_ASSIGN(options.model, dimensions_of(job));
  const std::string reason = tensor::why_not_trained_on(options.device);
  if (!reason.empty()) return Status(Code::kUnsupported, "--device " + reason);
  if (options.weights == tensor::Precision::kBFloat16 &&
      options.precision != tensor::Precision::kBFloat16) {
    return Status(Code::kInvalidArgument,
                  "--weights bf16 needs --precision bf16, found fp32: products read the weights as "
                  "they are");
  }
  options.optimizer.rule = job.optimizer == "muon" ? recipe::Rule::kMuon : recipe::Rule::kAdamW;
  options.optimizer.muon.precision = options.precision;
  options.optimizer.state_precision = precision_of(job.states);
  for (const auto recompute : {recipe::Recompute::kSelective, recipe::Recompute::kFull}) {
    if (job.recompute == recipe::recompute_name(recompute)) options.recompute = recompute;
  }
  return options;
}

}  // namespace

Result<work::TrainingBenchmark> benchmark_training(const work::TrainingBenchmarkJob& job,
                                                   const JobContext& context) {
  PANAL_ASSIGN(const train::BenchmarkOptions options, options_of(job));
  const SystemClock clock;
  const auto total = static_cast<double>(options.warmup + options.steps);
  PANAL_ASSIGN(const train::BenchmarkResult result,
               train::benchmark_training(
                   options, clock,
                   [&](std::int64_t step, double) {
                     const double fraction = static_cast<double>(step + 1) / total;
                     context.events.write({work::JobAdvance{fraction}});
                   },
                   context.stop));
  return work::TrainingBenchmark{
      .device = result.machine.device,
      .arch = std::string(recipe::architecture_name(options.model.architecture)),
      .layers = options.model.layers,
      .width = options.model.width,
      .heads = options.model.heads,
      .vocabulary_size = options.model.vocabulary_size,
      .context_length = options.model.context_length,
      .parameters = result.parameters,
      .tokens_per_s = result.tokens_per_s,
      .step_s = result.step_s,
      .step_s_low = result.step_s_low,
      .step_s_high = result.step_s_high,
      .gflops = result.flops / 1e9,
      .gemm_peak_gflops = result.gemm_peak_flops / 1e9,
      .mfu = result.mfu(),
      .loss = result.loss,
      .step_seconds = result.step_seconds,
      .machine = result.machine,
      .peak_device_bytes = result.peak_device_bytes,
      .peak_resident_bytes = result.peak_resident_bytes,
      .base_resident_bytes = result.base_resident_bytes};
}

}  // namespace panal::engine
