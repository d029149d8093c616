#include <fmt/format.h>

#include "data/choice_task.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "evaluate/choices.h"
#include "model/decoder.h"
#include "store/file_system.h"

namespace panal::engine {
namespace {

struct ChoiceTask {
  std::string path;
  std::vector<data::ChoiceItem> items;
};

Result<ChoiceTask> read_task(const Json& spec) {
  if (!json_has(spec, "task") || !spec.at("task").is_object())
    return Status(Code::kInvalidArgument, "job: \"task\" must be {path, format, shots, limit}");
  const Json& entry = spec.at("task");
  ChoiceTask task;
  PANAL_ASSIGN(task.path, json_string(entry, "path", "job: task"));
  PANAL_ASSIGN(const std::string name, json_string(entry, "format", "job: task"));
  const auto format = data::choice_format(name);
  if (!format) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("job: task: \"format\" must be hellaswag, arc, mmlu or choices, found "
                    "\"{}\"",
                    name));
  }
  data::ChoiceTaskOptions options;
  PANAL_ASSIGN(options.shots, json_integer(entry, "shots", "job: task", 0, 1000));
  PANAL_ASSIGN(options.limit, json_integer(entry, "limit", "job: task", 0, INT64_MAX));
  if (json_has(entry, "shots_path")) {
    PANAL_ASSIGN(const std::string shots_path, json_string(entry, "shots_path", "job: task"));
    options.shots_path = shots_path;
  }
  PANAL_ASSIGN(task.items, data::read_choice_task(task.path, *format, options));
  return task;
}

Status write_details(const std::string& path, const ChoiceTask& task,
                     const std::vector<evaluate::ChoiceScores>& scores) {
  std::string lines;
  for (std::size_t i = 0; i < scores.size(); ++i)
    lines += to_line(evaluate::choice_details(task.items[i], scores[i])) + "\n";
  return store::write_file_atomically(store::posix_file_system(), path, lines);
}

}  // namespace

Result<Json> evaluate_choices(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "model", "job"));
  PANAL_ASSIGN(const auto adapters, read_adapters(job.spec));
  if (adapters.size() > 1) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("job: \"adapters\" must name one at most, found {}", adapters.size()));
  }
  PANAL_ASSIGN(const ChoiceTask task, read_task(job.spec));
  evaluate::ChoiceOptions options;
  PANAL_ASSIGN(options.context, json_integer(job.spec, "context", "job", 0, 1 << 24));
  options.where = task.path;
  options.stop = job.stop;
  options.on_progress = [&](double fraction) { job.events.write({work::JobAdvance{fraction}}); };
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  for (const model::AdapterSource& adapter : adapters)
    PANAL_TRY(decoder.load_adapter(adapter.folder));
  PANAL_ASSIGN(const auto scores, evaluate::score_choices(decoder, tokenizer, task.items, options));
  if (json_has(job.spec, "details")) {
    PANAL_ASSIGN(const std::string details, json_string(job.spec, "details", "job"));
    PANAL_TRY(write_details(details, task, scores));
  }
  return evaluate::choice_summary_to_json(evaluate::summarise_choices(task.items, scores));
}

}  // namespace panal::engine
