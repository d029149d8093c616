#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/model_source.h"

namespace panal::cli {
namespace {

struct EvalOptions {
  std::string model;
  std::string data;
  std::int64_t context = 256;
  std::int64_t max_tokens = 0;
  std::int64_t partitioning = 0;     // Above 0: the matrix, not one file.
  std::vector<std::string> experts;  // Of the matrix.
  std::string tasks;                 // Multiple choice.
  std::string format;
  std::int64_t shots = 0;
  std::string shots_file;
  std::int64_t limit = 0;
  std::string details;
  bool context_given = false;
};

Status want_file(const std::string& path, std::string_view what) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) return Status();
  return Status(Code::kNotFound, fmt::format("expected {}, found none at {}", what, path));
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

void print_accuracies(const hub::ModelSource& source, const Json& result, Terminal& terminal) {
  const auto shown = [&](const char* name) {
    const Json& error = result.at(fmt::format("{}_stderr", name));
    return fmt::format("{} {:.4f}{}", name, result.value(name, 0.0),
                       error.is_null() ? "" : fmt::format(" ± {:.4f}", error.get<double>()));
  };
  terminal.print(fmt::format("{}: {}, {} over {} items", source.label, shown("acc"),
                             shown("acc_norm"), result.value("items", 0)));
  if (!result.contains("subjects")) return;
  terminal.print(fmt::format("mean over {} subjects: acc {:.4f}, acc_norm {:.4f}",
                             result.at("subjects").size(), result.value("macro_acc", 0.0),
                             result.value("macro_acc_norm", 0.0)));
  for (const auto& [name, subject] : result.at("subjects").items()) {
    terminal.print(fmt::format("  {:40} acc {:.4f} over {} items", name, subject.value("acc", 0.0),
                               subject.value("items", 0)));
  }
}

Result<Json> run_tasks(const EvalOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, options.model));
  PANAL_TRY(want_file(options.tasks, "a JSONL file of questions"));
  Json task = {{"path", absolute(options.tasks)},
               {"format", options.format},
               {"shots", options.shots},
               {"limit", options.limit}};
  if (!options.shots_file.empty()) {
    PANAL_TRY(want_file(options.shots_file, "a JSONL file of examples"));
    task["shots_path"] = absolute(options.shots_file);
  }
  Json spec = {{"model", source.core.string()},
               {"task", task},
               {"context", options.context_given ? options.context : 0}};
  if (source.adapter)
    spec["adapters"] = Json::array({{{"name", "adapter"}, {"folder", source.adapter->string()}}});
  if (!options.details.empty()) spec["details"] = absolute(options.details);
  PANAL_ASSIGN(const Json result, workspace.run_job("choices", spec, "evaluating"));
  print_accuracies(source, result, workspace.terminal());
  Json document = {{"model", source.label},
                   {"tasks", options.tasks},
                   {"format", options.format},
                   {"shots", options.shots}};
  document.update(result);
  return document;
}

Result<Json> run_eval(const EvalOptions& options, Workspace& workspace) {
  if (!options.tasks.empty()) return run_tasks(options, workspace);
  if (options.data.empty() == (options.partitioning == 0)) {
    return Status(Code::kInvalidArgument,
                  "panal eval needs --data FILE for perplexity, --tasks FILE --format FORMAT for "
                  "multiple choice, or --partitioning NUMBER for the matrix of a core and its "
                  "experts");
  }
  if (options.partitioning > 0) {
    return evaluate_matrix({.core = options.model,
                            .experts = options.experts,
                            .partitioning = options.partitioning,
                            .context = options.context,
                            .max_tokens = options.max_tokens},
                           workspace);
  }
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, options.model));
  PANAL_TRY(want_file(options.data, "a text file"));
  Json spec = {{"model", source.core.string()},
               {"texts", Json::array({{{"name", "data"}, {"path", absolute(options.data)}}})},
               {"context", options.context},
               {"max_tokens", options.max_tokens}};
  if (source.adapter)
    spec["adapters"] = Json::array({{{"name", "adapter"}, {"folder", source.adapter->string()}}});
  PANAL_ASSIGN(const Json result, workspace.run_job("evaluate", spec, "evaluating"));
  // The core comes first, the adapter (when there is one) last.
  const Json& evaluation = result.at("evaluations").back();
  workspace.terminal().print(
      fmt::format("{}: perplexity {:.4f} (loss {:.5f} nats/token, {} bits/byte, over {} tokens, "
                  "windows of {})",
                  source.label, evaluation.value("perplexity", 0.0), evaluation.value("loss", 0.0),
                  evaluation.at("bits_per_byte").is_number()
                      ? fmt::format("{:.5f}", evaluation.value("bits_per_byte", 0.0))
                      : "unknown",
                  evaluation.value("tokens", 0), options.context));
  return Json{{"model", source.label},
              {"tokens", evaluation.at("tokens")},
              {"loss", evaluation.at("loss")},
              {"perplexity", evaluation.at("perplexity")},
              {"bits_per_byte", evaluation.at("bits_per_byte")},
              {"context", options.context}};
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("eval",
                                         "Perplexity of a model on a text file, its accuracy on "
                                         "multiple choice, or perplexity of core "
                                         "and experts on a partitioning's held-out documents");
  command->add_option("model,--model", options->model, "Registered name, model folder or GGUF file")
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
  auto* tasks = command
                    ->add_option("--tasks", options->tasks,
                                 "JSONL file of questions, in the rows of their data set")
                    ->excludes(data)
                    ->excludes(partitioning);
  auto* format = command
                     ->add_option("--format", options->format,
                                  "What the rows are: hellaswag, arc, mmlu, or choices for "
                                  "{context, choices, gold}")
                     ->check(CLI::IsMember({"hellaswag", "arc", "mmlu", "choices"}))
                     ->needs(tasks);
  tasks->needs(format);
  auto* shots = command
                    ->add_option("--shots", options->shots,
                                 "Solved examples before each question: the first ones of "
                                 "--shots-file, or of the file itself without the question")
                    ->check(CLI::Range(0, 1000))
                    ->capture_default_str()
                    ->needs(tasks);
  command->add_option("--shots-file", options->shots_file, "JSONL file of examples, same format")
      ->needs(shots);
  command
      ->add_option("--limit", options->limit,
                   "Only the first so many questions of the file; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->needs(tasks);
  command
      ->add_option("--details", options->details,
                   "File to write, one line of JSON per question: log-likelihoods and choices")
      ->needs(tasks);
  auto* context =
      command
          ->add_option(
              "--context", options->context,
              "Tokens per window; windows do not overlap, all but a window's first token are "
              "scored. "
              "With --tasks the most tokens of a prompt, which loses its beginning, and by default "
              "the model's context")
          ->check(CLI::Range(2, 1 << 24))
          ->capture_default_str();
  command
      ->add_option("--max-tokens", options->max_tokens,
                   "Only the first so many tokens of a text; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([options, context, &action] {
    options->context_given = context->count() > 0;
    action = [options](Workspace& workspace) { return run_eval(*options, workspace); };
  });
}

}  // namespace panal::cli
