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

std::string shown(const char* name, const work::Accuracy& accuracy) {
  return fmt::format(
      "{} {:.4f}{}", name, accuracy.mean,
      accuracy.standard_error ? fmt::format(" ± {:.4f}", *accuracy.standard_error) : std::string());
}

std::string shown(const std::optional<double>& figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : "unknown";
}

void print_accuracies(const hub::ChoiceScores& scores, Terminal& terminal) {
  const work::ChoiceSummary& figures = scores.figures;
  terminal.print(fmt::format("{}: {}, {} over {} items", scores.model,
                             shown("acc", figures.all.acc), shown("acc_norm", figures.all.acc_norm),
                             figures.all.items));
  if (figures.subjects.empty()) return;
  terminal.print(fmt::format("mean over {} subjects: acc {}, acc_norm {}", figures.subjects.size(),
                             shown(figures.macro_acc, 4), shown(figures.macro_acc_norm, 4)));
  for (const auto& [name, subject] : figures.subjects) {
    terminal.print(
        fmt::format("  {:40} acc {:.4f} over {} items", name, subject.acc.mean, subject.items));
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
  document.update(work::to_json(scores.figures));
  return document;
}

Result<Json> eval_text(const hub::EvaluateText& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto score, hub::evaluate_text(*hive, request, workspace.watch()));
  workspace.terminal().print(
      fmt::format("{}: perplexity {} (loss {} nats/token, {} bits/byte, over {} tokens, windows of "
                  "{})",
                  score.model, shown(score.figures.perplexity, 4), shown(score.figures.loss, 5),
                  shown(score.figures.bits_per_byte, 5), score.figures.tokens, score.context));
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
