#include <fmt/format.h>

#include "data/choice_task.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "evaluate/choices.h"
#include "model/decoder.h"
#include "store/file_system.h"

namespace panal::engine {
namespace {

Result<std::vector<data::ChoiceItem>> read_task(const work::ChoiceTask& task) {
  const auto format = data::choice_format(task.format);
  if (!format) {
    return Status(Code::kInvalidArgument,
                  fmt::format("job: task: \"format\" must be hellaswag, arc, mmlu or choices, "
                              "found \"{}\"",
                              task.format));
  }
  data::ChoiceTaskOptions options;
  options.shots = task.shots;
  options.limit = task.limit;
  if (task.shots_path) options.shots_path = *task.shots_path;
  return data::read_choice_task(task.path, *format, options);
}

Status write_details(const std::filesystem::path& path, const std::vector<data::ChoiceItem>& items,
                     const std::vector<evaluate::ChoiceScores>& scores) {
  std::string lines;
  for (std::size_t i = 0; i < scores.size(); ++i)
    lines += to_line(evaluate::choice_details(items[i], scores[i])) + "\n";
  return store::write_file_atomically(store::posix_file_system(), path, lines);
}

}  // namespace

Result<work::ChoiceSummary> evaluate_choices(const work::EvaluateChoicesJob& job,
                                             const JobContext& context) {
  PANAL_ASSIGN(const auto items, read_task(job.task));
  evaluate::ChoiceOptions options;
  options.context = job.context;
  options.where = job.task.path.string();
  options.stop = context.stop;
  options.on_progress = [&](double fraction) {
    context.events.write({work::JobAdvance{fraction}});
  };
  const std::string path = job.model.string();
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  if (job.adapter) PANAL_TRY(decoder.load_adapter(*job.adapter));
  PANAL_ASSIGN(const auto scores, evaluate::score_choices(decoder, tokenizer, items, options));
  if (job.details) PANAL_TRY(write_details(*job.details, items, scores));
  return evaluate::summarise_choices(items, scores);
}

}  // namespace panal::engine
