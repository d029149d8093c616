// How much of panal's speed is left beside another program that keeps a core busy?
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/commands/commands.h"
#include "work/benchmark_jobs.h"

namespace panal::cli {
namespace {

struct BenchContentionOptions {
  work::ContentionJob job{};
  std::string model{};  // Empty: generating is not measured.
};

Result<Json> bench_contention(const BenchContentionOptions& options, Workspace& workspace) {
  work::ContentionJob job = options.job;
  if (!options.model.empty()) job.model = std::filesystem::absolute(options.model);
  PANAL_ASSIGN(const auto found, workspace.run_job(job, "measuring beside a process that is busy"));
  std::vector<std::vector<std::string>> rows{
      {"work", "alone, tokens/s", "beside a busy process", "of alone", "lowest", "highest"}};
  for (const work::ContentionFigures& work : found.works) {
    rows.push_back({work.work, fmt::format("{:.0f}", work.alone_tokens_per_s),
                    fmt::format("{:.0f}", work.busy_tokens_per_s),
                    fmt::format("{:.2f}", work.ratio), fmt::format("{:.2f}", work.lowest_ratio),
                    fmt::format("{:.2f}", work.highest_ratio)});
  }
  workspace.terminal().table(rows);
  Json document = work::to_json(job);
  document.update(work::to_json(found));
  return document;
}

}  // namespace

void add_bench_contention_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchContentionOptions>();  // Shared by flags and callback.
  CLI::App* command = bench.add_subcommand(
      "contention",
      "Training (GPT-2 23M, and LoRA on a core of SmolLM2-135M's shape) alone and beside a process "
      "that keeps one core busy, in turn");
  command->add_option("--model", options->model,
                      "A model file or folder: generate from it too, one stream");
  command->add_option("--rounds", options->job.rounds, "Of each work; medians count")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}))
      ->capture_default_str();
  command
      ->add_option("--seconds", options->job.seconds_per_phase, "Of each half of a round, at least")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_contention(*options, workspace); };
  });
}

}  // namespace panal::cli
