#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "work/benchmark_jobs.h"

namespace panal::cli {
namespace {

// Names and defaults of the PyTorch script this is compared with.
struct BenchTrainOptions {
  work::TrainingBenchmarkJob job{};
  std::string preset{};  // Empty: the dimensions below.
  std::string arch = "gpt2";
  bool has_layers = false, has_vocabulary = false, has_context = false;  // Given beside a preset.
  std::int64_t layers = 6;
  std::int64_t width = 384;
  std::int64_t heads = 6;
  std::int64_t vocab = 32768;
  std::int64_t context = 512;
};

work::TrainingBenchmarkJob job_of(const BenchTrainOptions& options) {
  work::TrainingBenchmarkJob job = options.job;
  const bool is_free = options.preset.empty();
  if (is_free) {
    job.arch = options.arch;
    job.width = options.width;
    job.heads = options.heads;
  } else {
    job.preset = options.preset;
  }
  if (is_free || options.has_layers) job.layers = options.layers;
  if (is_free || options.has_vocabulary) job.vocabulary_size = options.vocab;
  if (is_free || options.has_context) job.context_length = options.context;
  return job;
}

Result<Json> bench_train(const BenchTrainOptions& options, Workspace& workspace) {
  if (options.width % options.heads != 0) {
    return Status(Code::kInvalidArgument, fmt::format("--heads must divide --width {}, found {}",
                                                      options.width, options.heads));
  }
  const work::TrainingBenchmarkJob job = job_of(options);
  PANAL_ASSIGN(const auto found, workspace.run_job(job, "measuring training steps"));
  workspace.terminal().print(fmt::format(
      "{} {} x {}, {:.1f} M parameters, {}: {:.0f} tokens/s ({:.3f} s a step, {:.3f} to {:.3f})\n"
      "{:.1f} GFLOP/s of {:.1f} that the best matrix product reaches here: MFU {:.1f} %",
      found.arch, found.layers, found.width, static_cast<double>(found.parameters) / 1e6,
      job.precision, found.tokens_per_s, found.step_s, found.step_s_low, found.step_s_high,
      found.gflops, found.gemm_peak_gflops, 100 * found.mfu));
  Json document = work::to_json(job);
  document.update(work::to_json(found));
  return document;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this machine");
  bench->require_subcommand(1);
  add_bench_data_commands(*bench, action);
  add_bench_optim_command(*bench, action);
  add_bench_requests_command(*bench, action);
  add_bench_contention_command(*bench, action);
  auto options = std::make_shared<BenchTrainOptions>();  // Shared by the flags and the callback.
  CLI::App* train =
      bench->add_subcommand("train", "Speed of training steps on random tokens, with MFU");
  CLI::Option* arch =
      train->add_option("--arch", options->arch, "gpt2 (tied head) or llama (free head)")
          ->check(CLI::IsMember({"gpt2", "llama"}))
          ->capture_default_str();
  train->add_option("--precision", options->job.precision, "Of the products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train->add_option("--optimizer", options->job.optimizer, "adamw or muon")
      ->check(CLI::IsMember({"adamw", "muon"}))
      ->capture_default_str();
  train
      ->add_option("--weights", options->job.weights,
                   "What matrices are kept in, fp32 or bf16 with 16 more bits beside the states: "
                   "memory.weights of a run file")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train
      ->add_option("--states", options->job.states,
                   "What momenta are kept in, fp32 or bf16: optimizer.state_precision")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train
      ->add_option("--recompute", options->job.recompute,
                   "What the backward pass computes again: memory.recompute")
      ->check(CLI::IsMember({"none", "selective", "full"}))
      ->capture_default_str();
  train
      ->add_option("--device", options->job.device,
                   "auto, cpu or cuda; training runs on the CPU, cuda says what is missing")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  const auto count = [&](const char* name, std::int64_t& value, const char* what,
                         std::int64_t most) {
    return train->add_option(name, value, what)
        ->check(CLI::Range(std::int64_t{1}, most))
        ->capture_default_str();
  };
  CLI::Option* layers = count("--layers", options->layers, "Transformer layers", 1024);
  CLI::Option* width = count("--width", options->width, "Of the residual stream", 1 << 16);
  CLI::Option* heads = count("--heads", options->heads, "Attention heads; divides the width", 1024);
  CLI::Option* vocabulary = count("--vocab", options->vocab, "Vocabulary", 1 << 24);
  CLI::Option* context = count("--context", options->context, "Tokens per sequence", 1 << 24);
  train
      ->add_option("--preset", options->preset,
                   "A shape of `panal models presets`; --layers, --vocab and --context may change "
                   "it")
      ->excludes(arch)
      ->excludes(width)
      ->excludes(heads);
  count("--batch", options->job.sequences, "Sequences per step", 1 << 16);
  count("--steps", options->job.steps, "Measured steps; the median counts", 1'000'000);
  count("--warmup", options->job.warmup_steps, "Steps before that", 1'000'000);
  train->callback([options, layers, vocabulary, context, &action] {
    options->has_layers = layers->count() > 0;
    options->has_vocabulary = vocabulary->count() > 0;
    options->has_context = context->count() > 0;
    action = [options](Workspace& workspace) { return bench_train(*options, workspace); };
  });
}

}  // namespace panal::cli
