// How many steps, tokens and seconds does each update rule need to the same loss? Bounds: what the
// rules' makers claim, 0.75 of AdamW's tokens for Muon and 0.95 of Muon's for its accelerated
// forms.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "cli/commands/commands.h"
#include "report/chart.h"
#include "report/target_page.h"
#include "store/output.h"
#include "work/benchmark_jobs.h"

namespace panal::cli {
namespace {

struct BenchOptimOptions {
  work::OptimizerContestJob job{};
  std::vector<std::string> data;
  std::vector<std::string> learning_rates, embedding_learning_rates, extrapolations;
  std::string html, svg;  // Files to write; empty: none.
};

// "muon=0.01,0.02" for each rule.
Result<work::ValuesByRule> values_by_rule(const std::vector<std::string>& texts,
                                          std::string_view flag) {
  work::ValuesByRule values;
  for (const std::string& text : texts) {
    const auto wrong = [&] {
      return Status(Code::kInvalidArgument,
                    fmt::format("{} must look like muon=0.01,0.02, found \"{}\"", flag, text));
    };
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return wrong();
    std::vector<double>& list = values[text.substr(0, equals)];
    list.clear();
    for (std::size_t begin = equals + 1; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      double value = 0;
      if (!CLI::detail::lexical_cast(text.substr(begin, end - begin), value)) return wrong();
      list.push_back(value);
      begin = end + 1;
    }
  }
  return values;
}

Result<work::OptimizerContestJob> job_of(const BenchOptimOptions& options) {
  work::OptimizerContestJob job = options.job;
  if (job.width % job.heads != 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("--heads must divide --width {}, found {}", job.width, job.heads));
  }
  for (const std::string& path : options.data) job.data.push_back(std::filesystem::absolute(path));
  PANAL_ASSIGN(job.learning_rates, values_by_rule(options.learning_rates, "--learning-rates"));
  PANAL_ASSIGN(job.embedding_learning_rates,
               values_by_rule(options.embedding_learning_rates, "--embedding-learning-rates"));
  PANAL_ASSIGN(job.extrapolations, values_by_rule(options.extrapolations, "--extrapolations"));
  return job;
}

Status write_charts(const BenchOptimOptions& options, const report::TargetContest& contest,
                    Workspace& workspace) {
  const auto write = [&](const std::string& path, const std::string& text) -> Status {
    if (path.empty()) return Status();
    PANAL_TRY(store::write_output(store::posix_file_system(), path, text));
    workspace.terminal().note(fmt::format("wrote {}", path));
    return Status();
  };
  if (options.html.empty() && options.svg.empty()) return Status();
  PANAL_TRY(
      write(options.html, report::target_page(contest, iso_time(workspace.clock().unix_ms()))));
  return write(options.svg, report::to_standalone_svg(report::target_chart(contest)));
}

Result<Json> bench_optim(const BenchOptimOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(const auto job, job_of(options));
  PANAL_ASSIGN(const auto outcome, workspace.run_job(job, "training towards a target loss"));
  PANAL_ASSIGN(const report::TargetContest contest, report::target_contest(job, outcome));
  Terminal& terminal = workspace.terminal();
  terminal.print(report::target_headline(contest));
  terminal.table(report::target_table(contest));
  for (const std::string& verdict : contest.verdicts) terminal.print(verdict);
  PANAL_TRY(write_charts(options, contest, workspace));
  Json document = work::to_json(job);
  document.update(work::to_json(outcome));
  return document;
}

void add_sizes(CLI::App& command, BenchOptimOptions& options) {
  const auto count = [&](const char* name, std::int64_t& value, const char* what,
                         std::int64_t least, std::int64_t most) {
    command.add_option(name, value, what)->check(CLI::Range(least, most))->capture_default_str();
  };
  count("--seeds", options.job.seeds, "Of weights and batches; the first one tunes", 1, 1000);
  count("--layers", options.job.layers, "Transformer layers", 1, 1024);
  count("--width", options.job.width, "Of the residual stream", 1, 1 << 16);
  count("--heads", options.job.heads, "Attention heads; divides the width", 1, 1024);
  count("--vocab", options.job.vocabulary_size, "Vocabulary of the tokenizer that is trained", 300,
        1'000'000);
  count("--context", options.job.context_length, "Tokens per sequence", 2, 1 << 24);
  count("--batch", options.job.sequences, "Sequences per step", 1, 1 << 16);
  count("--max-steps", options.job.most_steps, "Of each run; then the target counts as not reached",
        1, 1'000'000'000);
  count("--warmup", options.job.warmup_steps,
        "Steps in which the learning rate grows; then it is constant", 1, 1'000'000);
  count("--evaluate-every", options.job.evaluation_every, "Steps", 1, 1'000'000);
  count("--validation-tokens", options.job.validation_tokens, "Of the held-out text", 2, 1 << 24);
}

void add_tuning(CLI::App& command, BenchOptimOptions& options) {
  command.add_option("--learning-rates", options.learning_rates,
                     "RULE=VALUE,VALUE,...: tried instead of the built-in ones, and beyond their "
                     "ends; a single value is not tuned");
  command.add_option("--embedding-learning-rates", options.embedding_learning_rates,
                     "The same for AdamW's of the embedding");
  command.add_option("--extrapolations", options.extrapolations,
                     "The same for transported_scion and ema_nesterov_muon");
}

}  // namespace

void add_bench_optim_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchOptimOptions>();  // Shared by the flags and the callback.
  CLI::App* command = bench.add_subcommand(
      "optim", "Steps, tokens and seconds of each update rule to the same loss on real text");
  command->add_option("--data", options->data, "Text or JSONL files, or folders of them")
      ->required();
  command
      ->add_option("--rules", options->job.rules,
                   "adamw, muon, normuon, scion, transported_scion (the accelerated Muon), "
                   "ema_nesterov_muon; by default all")
      ->delimiter(',');
  command->add_option("--target", options->job.target,
                      "Validation loss in nats per token; by default where the first rule gets in "
                      "half of --max-steps, untuned");
  add_sizes(*command, *options);
  command->add_option("--precision", options->job.precision, "Of the products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  add_tuning(*command, *options);
  command->add_option("--html", options->html,
                      "Write a page with curves to this file; it needs no network");
  command->add_option("--svg", options->svg, "Write the curves alone as an image");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_optim(*options, workspace); };
  });
}

}  // namespace panal::cli
