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
  return recipe::with_usual_shape({.architecture = recipe::Architecture::kGpt2,
                                   .vocabulary_size = 32768,
                                   .width = 384,
                                   .layers = 6,
                                   .heads = 6,
                                   .context_length = 512});
}

// SmolLM2-135M's.
recipe::ModelConfig core_shape() {
  recipe::ModelConfig model =
      recipe::with_usual_shape({.architecture = recipe::Architecture::kLlama,
                                .vocabulary_size = 49152,
                                .width = 576,
                                .layers = 30,
                                .heads = 9,
                                .context_length = 256});
  model.key_value_heads = 3;
  return model;
}

}  // namespace

Result<work::Contention> benchmark_contention(const work::ContentionJob& job,
                                              const JobContext& context) {
  train::ContentionOptions options{.model = pretrained_shape(),
                                   .core = core_shape(),
                                   .served = job.model.value_or(""),
                                   .rounds = job.rounds,
                                   .seconds_per_phase = job.seconds_per_phase};
  if (machine::cpu_multiplies_bfloat16()) options.lora_precision = tensor::Precision::kBFloat16;
  PANAL_ASSIGN(const auto other, BusyProcess::start());
  work::Contention found;
  PANAL_ASSIGN(found.works,
               train::benchmark_contention(
                   options, system_clock(), [&](bool is_busy) { other->set_busy(is_busy); },
                   [&](double fraction) { context.events.write({work::JobAdvance{fraction}}); },
                   context.stop));
  found.machine = train::describe_machine(options.lora_precision);
  return found;
}

}  // namespace panal::engine
