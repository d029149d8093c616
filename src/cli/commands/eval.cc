#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/evaluate.h"
#include "store/output.h"

namespace panal::cli {
namespace {

struct EvalOptions {
  hub::EvaluateText text;
  hub::EvaluateChoices choices;
  hub::EvaluateMatrix matrix;
  std::string details;  // File to write; empty: none.
  std::int64_t context = 256;
  std::int64_t max_tokens = 0;
};

void print_accuracies(const hub::ChoiceScores& scores, Terminal& terminal) {
  const Json& figures = scores.figures;
  const auto shown = [&](const char* name) {
    const Json& error = figures.at(fmt::format("{}_stderr", name));
    return fmt::format("{} {:.4f}{}", name, figures.value(name, 0.0),
                       error.is_null() ? "" : fmt::format(" ± {:.4f}", error.get<double>()));
  };
  terminal.print(fmt::format("{}: {}, {} over {} items", scores.model, shown("acc"),
                             shown("acc_norm"), figures.value("items", 0)));
  if (!figures.contains("subjects")) return;
  terminal.print(fmt::format("mean over {} subjects: acc {:.4f}, acc_norm {:.4f}",
                             figures.at("subjects").size(), figures.value("macro_acc", 0.0),
                             figures.value("macro_acc_norm", 0.0)));
  for (const auto& [name, subject] : figures.at("subjects").items()) {
    terminal.print(fmt::format("  {:40} acc {:.4f} over {} items", name, subject.value("acc", 0.0),
                               subject.value("items", 0)));
  }
}

Result<Json> eval_choices(const EvalOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  hub::EvaluateChoices request = options.choices;
  request.wants_details = !options.details.empty();
  PANAL_ASSIGN(const auto scores, hub::evaluate_choices(*hive, request, workspace.watch()));
  if (request.wants_details) {
    PANAL_TRY(store::write_output(store::posix_file_system(), options.details, scores.details));
  }
  print_accuracies(scores, workspace.terminal());
  Json document = {{"model", scores.model},
                   {"tasks", request.tasks},
                   {"format", request.format},
                   {"shots", request.shots}};
  document.update(scores.figures);
  return document;
}

std::string shown(const std::optional<double>& figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : "unknown";
}

Result<Json> eval_text(const hub::EvaluateText& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto score, hub::evaluate_text(*hive, request, workspace.watch()));
  workspace.terminal().print(fmt::format(
      "{}: perplexity {} (loss {} nats/token, {} bits/byte, over {} tokens, windows of "
      "{})",
      score.model, shown(score.perplexity, 4), shown(score.loss, 5), shown(score.bits_per_byte, 5),
      score.tokens ? fmt::format("{}", *score.tokens) : "unknown", score.context));
  return hub::to_json(score);
}

Result<Json> run_eval(const EvalOptions& options, Workspace& workspace) {
  if (!options.choices.tasks.empty()) return eval_choices(options, workspace);
  if (options.text.data.empty() == (options.matrix.partitioning == 0)) {
    return Status(Code::kInvalidArgument,
                  "panal eval needs --data FILE for perplexity, --tasks FILE --format FORMAT for "
                  "multiple choice, or --partitioning NUMBER for the matrix of a core and its "
                  "experts");
  }
  return options.matrix.partitioning > 0 ? evaluate_matrix(options.matrix, workspace)
                                         : eval_text(options.text, workspace);
}

}  // namespace

void add_eval_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("eval",
                                         "Perplexity of a model on a text file, its accuracy on "
                                         "multiple choice, or perplexity of core "
                                         "and experts on a partitioning's held-out documents");
  command
      ->add_option("model,--model", options->text.model,
                   "Registered name, model folder or GGUF file")
      ->required();
  auto* data = command->add_option("--data", options->text.data,
                                   "Text file; used as it is, no special tokens are added");
  auto* partitioning =
      command
          ->add_option("--partitioning", options->matrix.partitioning,
                       "Number of a partitioning: every expert that beats the core on its own "
                       "partition becomes ready and preferred")
          ->check(CLI::PositiveNumber)
          ->excludes(data);
  command
      ->add_option("--experts", options->matrix.experts,
                   "With --partitioning; none: all that were trained over the model on it")
      ->delimiter(',')
      ->needs(partitioning);
  auto* tasks = command
                    ->add_option("--tasks", options->choices.tasks,
                                 "JSONL file of questions, in the rows of their data set")
                    ->excludes(data)
                    ->excludes(partitioning);
  auto* format = command
                     ->add_option("--format", options->choices.format,
                                  "What the rows are: hellaswag, arc, mmlu, or choices for "
                                  "{context, choices, gold}")
                     ->check(CLI::IsMember({"hellaswag", "arc", "mmlu", "choices"}))
                     ->needs(tasks);
  tasks->needs(format);
  auto* shots = command
                    ->add_option("--shots", options->choices.shots,
                                 "Solved examples before each question: the first ones of "
                                 "--shots-file, or of the file itself without the question")
                    ->check(CLI::Range(0, 1000))
                    ->capture_default_str()
                    ->needs(tasks);
  command
      ->add_option("--shots-file", options->choices.shots_file,
                   "JSONL file of examples, same format")
      ->needs(shots);
  command
      ->add_option("--limit", options->choices.limit,
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
    options->choices.model = options->matrix.core = options->text.model;
    options->text.context = options->matrix.context = options->context;
    options->text.max_tokens = options->matrix.max_tokens = options->max_tokens;
    if (context->count() > 0) options->choices.context = options->context;
    action = [options](Workspace& workspace) { return run_eval(*options, workspace); };
  });
}

}  // namespace panal::cli
