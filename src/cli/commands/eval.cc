#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

struct EvalOptions {
  std::string model;
  std::string data;
  std::int64_t context = 256;
  std::int64_t max_tokens = 0;
  std::int64_t partitioning = 0;     // Above 0: the matrix, not one file.
  std::vector<std::string> experts;  // Of the matrix.
};

Result<Json> run_eval(const EvalOptions& options, Workspace& workspace) {
  if (options.data.empty() == (options.partitioning == 0)) {
    return Status(Code::kInvalidArgument,
                  "panal eval needs either --data FILE, or --partitioning NUMBER for the matrix of "
                  "a core and its experts");
  }
  if (options.partitioning > 0) {
    return evaluate_matrix({.core = options.model,
                            .experts = options.experts,
                            .partitioning = options.partitioning,
                            .context = options.context,
                            .max_tokens = options.max_tokens},
                           workspace);
  }
  PANAL_ASSIGN(const ModelSource source, find_model_source(workspace, options.model));
  std::error_code error;
  if (!std::filesystem::is_regular_file(options.data, error)) {
    return Status(Code::kNotFound,
                  fmt::format("expected a text file, found none at {}", options.data));
  }
  Json spec = {
      {"model", source.core.string()},
      {"texts", Json::array({{{"name", "data"},
                              {"path", std::filesystem::absolute(options.data).string()}}})},
      {"context", options.context},
      {"max_tokens", options.max_tokens}};
  if (source.adapter)
    spec["adapters"] = Json::array({{{"name", "adapter"}, {"folder", source.adapter->string()}}});
  PANAL_ASSIGN(const Json result, workspace.run_job("evaluate", spec, "evaluating"));
  // The core comes first, the adapter (when there is one) last.
  const Json& evaluation = result.at("evaluations").back();
  workspace.terminal().print(
      fmt::format("{}: perplexity {:.4f} (loss {:.5f} nats/token over {} tokens, windows of {})",
                  source.label, evaluation.value("perplexity", 0.0), evaluation.value("loss", 0.0),
                  evaluation.value("tokens", 0), options.context));
  return Json{{"model", source.label},
              {"tokens", evaluation.at("tokens")},
              {"loss", evaluation.at("loss")},
              {"perplexity", evaluation.at("perplexity")},
              {"context", options.context}};
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "eval",
      "Perplexity of a model on a text file, or of core and experts on a partitioning's held-out "
      "documents");
  command->add_option("--model", options->model, "Registered name, model folder or GGUF file")
      ->required();
  auto* data = command->add_option("--data", options->data,
                                   "Text file; used as it is, no special tokens are added");
  auto* partitioning =
      command
          ->add_option("--partitioning", options->partitioning,
                       "Number of a partitioning: every expert that beats the core on its own "
                       "partition becomes ready and preferred")
          ->check(CLI::PositiveNumber)
          ->excludes(data);
  command
      ->add_option("--experts", options->experts,
                   "With --partitioning; none: all that were trained over the model on it")
      ->delimiter(',')
      ->needs(partitioning);
  command
      ->add_option(
          "--context", options->context,
          "Tokens per window; windows do not overlap, all but a window's first token are scored")
      ->check(CLI::Range(2, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--max-tokens", options->max_tokens,
                   "Only the first so many tokens of a text; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return run_eval(*options, workspace); };
  });
}

}  // namespace panal::cli
