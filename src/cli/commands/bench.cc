#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

// Names and defaults of the PyTorch script this is compared with.
struct BenchTrainOptions {
  std::string arch = "gpt2";
  std::string preset;  // Empty: the dimensions below.
  bool has_layers = false, has_vocabulary = false, has_context = false;  // Given beside a preset.
  std::string precision = "fp32";
  std::string optimizer = "adamw";
  std::string weights = "fp32";
  std::string states = "fp32";
  std::string recompute = "none";
  std::string device = "auto";
  std::int64_t layers = 6;
  std::int64_t width = 384;
  std::int64_t heads = 6;
  std::int64_t vocab = 32768;
  std::int64_t context = 512;
  std::int64_t batch = 4;
  std::int64_t steps = 5;
  std::int64_t warmup = 2;
};

Result<Json> bench_train(const BenchTrainOptions& options, Workspace& workspace) {
  if (options.width % options.heads != 0) {
    return Status(Code::kInvalidArgument, fmt::format("--heads must divide --width {}, found {}",
                                                      options.width, options.heads));
  }
  Json spec = {{"precision", options.precision}, {"optimizer", options.optimizer},
               {"device", options.device},       {"batch", options.batch},
               {"steps", options.steps},         {"warmup", options.warmup},
               {"weights", options.weights},     {"states", options.states},
               {"recompute", options.recompute}};
  if (!options.preset.empty()) spec["preset"] = options.preset;
  if (options.has_layers) spec["layers"] = options.layers;
  if (options.has_vocabulary) spec["vocab"] = options.vocab;
  if (options.has_context) spec["context"] = options.context;
  if (options.preset.empty()) {
    spec.update(Json{{"arch", options.arch},
                     {"layers", options.layers},
                     {"width", options.width},
                     {"heads", options.heads},
                     {"vocab", options.vocab},
                     {"context", options.context}});
  }
  PANAL_ASSIGN(const Json result, workspace.run_job("benchmark", spec, "measuring training steps"));
  workspace.terminal().print(fmt::format(
      "{} {} x {}, {:.1f} M parameters, {}: {:.0f} tokens/s ({:.3f} s a step, {:.3f} to {:.3f})\n"
      "{:.1f} GFLOP/s of {:.1f} that the best matrix product reaches here: MFU {:.1f} %",
      result.value("arch", ""), result.value("layers", 0), result.value("width", 0),
      result.value("parameters", 0.0) / 1e6, options.precision, result.value("tokens_per_s", 0.0),
      result.value("step_s", 0.0), result.value("step_s_low", 0.0),
      result.value("step_s_high", 0.0), result.value("gflops", 0.0),
      result.value("gemm_peak_gflops", 0.0), 100 * result.value("mfu", 0.0)));
  return result;
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
  train->add_option("--precision", options->precision, "Of the products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train->add_option("--optimizer", options->optimizer, "adamw or muon")
      ->check(CLI::IsMember({"adamw", "muon"}))
      ->capture_default_str();
  train
      ->add_option("--weights", options->weights,
                   "What matrices are kept in, fp32 or bf16 with 16 more bits beside the states: "
                   "memory.weights of a run file")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train
      ->add_option("--states", options->states,
                   "What momenta are kept in, fp32 or bf16: optimizer.state_precision")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  train
      ->add_option("--recompute", options->recompute,
                   "What the backward pass computes again: memory.recompute")
      ->check(CLI::IsMember({"none", "selective", "full"}))
      ->capture_default_str();
  train
      ->add_option("--device", options->device,
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
  count("--batch", options->batch, "Sequences per step", 1 << 16);
  count("--steps", options->steps, "Measured steps; the median counts", 1'000'000);
  count("--warmup", options->warmup, "Steps before that", 1'000'000);
  train->callback([options, layers, vocabulary, context, &action] {
    options->has_layers = layers->count() > 0;
    options->has_vocabulary = vocabulary->count() > 0;
    options->has_context = context->count() > 0;
    action = [options](Workspace& workspace) { return bench_train(*options, workspace); };
  });
}

}  // namespace panal::cli
