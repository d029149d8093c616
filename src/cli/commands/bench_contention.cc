// How much of panal's speed is left beside another program that keeps a core busy?
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

struct BenchContentionOptions {
  std::string model;  // Empty: generating is not measured.
  std::int64_t rounds = 5;
  double seconds = 3;
};

Result<Json> bench_contention(const BenchContentionOptions& options, Workspace& workspace) {
  Json spec = {{"rounds", options.rounds}, {"seconds", options.seconds}};
  if (!options.model.empty()) spec["model"] = std::filesystem::absolute(options.model).string();
  PANAL_ASSIGN(const Json result,
               workspace.run_job("contention", spec, "measuring beside a process that is busy"));
  std::vector<std::vector<std::string>> rows{
      {"work", "alone, tokens/s", "beside a busy process", "of alone", "lowest", "highest"}};
  for (const Json& work : result.at("works")) {
    rows.push_back({work.value("work", ""),
                    fmt::format("{:.0f}", work.value("alone_tokens_per_s", 0.0)),
                    fmt::format("{:.0f}", work.value("busy_tokens_per_s", 0.0)),
                    fmt::format("{:.2f}", work.value("ratio", 0.0)),
                    fmt::format("{:.2f}", work.value("lowest_ratio", 0.0)),
                    fmt::format("{:.2f}", work.value("highest_ratio", 0.0))});
  }
  workspace.terminal().table(rows);
  return result;
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
  command->add_option("--rounds", options->rounds, "Of each work; medians count")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "Of each half of a round, at least")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_contention(*options, workspace); };
  });
}

}  // namespace panal::cli
