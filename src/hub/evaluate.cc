#include "hub/evaluate.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/hash.h"
#include "hub/model_source.h"
#include "store/file_system.h"

namespace panal::hub {
namespace {

constexpr std::uint64_t kMaxDetailsBytes = std::uint64_t{1} << 32;

// A file that a job reads, by its absolute path.
Result<std::filesystem::path> file_of(const std::string& path, std::string_view what) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) return std::filesystem::absolute(path);
  return Status(Code::kNotFound, fmt::format("expected {}, found none at {}", what, path));
}

}  // namespace

Json to_json(const TextScore& score) {
  Json json = work::to_json(score.figures);
  json.erase("adapter");
  json.erase("text");
  json["model"] = score.model;
  json["context"] = score.context;
  return json;
}

Result<TextScore> evaluate_text(Hive& hive, const EvaluateText& request, const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  PANAL_ASSIGN(const auto text, file_of(request.data, "a text file"));
  work::EvaluateTextsJob job{.model = source.core,
                             .texts = {{.name = "data", .path = text}},
                             .context = request.context,
                             .max_tokens = request.max_tokens};
  if (source.adapter) job.adapters.push_back({.name = "adapter", .folder = *source.adapter});
  PANAL_ASSIGN(const auto found, hive.run_job(job, {.activity = "evaluating"}, watch));
  if (found.evaluations.empty())
    return Status(Code::kInternal, "the evaluation ended without a figure");
  // The core comes first, the adapter (when there is one) last.
  return TextScore{
      .model = source.label, .figures = found.evaluations.back(), .context = found.context};
}

Result<ChoiceScores> evaluate_choices(Hive& hive, const EvaluateChoices& request,
                                      const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  work::EvaluateChoicesJob job{
      .model = source.core,
      .adapter = source.adapter,
      .task = {.format = request.format, .shots = request.shots, .limit = request.limit},
      .context = request.context.value_or(0)};
  PANAL_ASSIGN(job.task.path, file_of(request.tasks, "a JSONL file of questions"));
  if (!request.shots_file.empty()) {
    PANAL_ASSIGN(job.task.shots_path, file_of(request.shots_file, "a JSONL file of examples"));
  }
  // The engine writes a file of ours: who asks decides where the lines go.
  const auto details = hive.home().run / fmt::format("details-{}.jsonl", random_hex(8));
  if (request.wants_details) job.details = details;
  auto figures = hive.run_job(job, {.activity = "evaluating"}, watch);
  ChoiceScores scores{.model = source.label};
  Status read;
  if (figures.ok() && request.wants_details) {
    auto lines = store::read_file(details, kMaxDetailsBytes);
    read = lines.status();
    if (lines.ok()) scores.details = *std::move(lines);
  }
  std::error_code ignored;
  std::filesystem::remove(details, ignored);
  PANAL_TRY(read);
  PANAL_ASSIGN(scores.figures, std::move(figures));
  return scores;
}

}  // namespace panal::hub
