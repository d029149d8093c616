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
Result<std::string> file_of(const std::string& path, std::string_view what) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error))
    return std::filesystem::absolute(path).string();
  return Status(Code::kNotFound, fmt::format("expected {}, found none at {}", what, path));
}

// An evaluation compares adapters with their core, so that it names them.
Json spec_of(const ModelSource& source) {
  Json spec = {{"model", source.core.string()}};
  if (source.adapter)
    spec["adapters"] = Json::array({{{"name", "adapter"}, {"folder", source.adapter->string()}}});
  return spec;
}

std::optional<double> number_of(const Json& object, const char* key) {
  if (!json_has(object, key) || !object.at(key).is_number()) return std::nullopt;
  return object.at(key).get<double>();
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

Json to_json(const TextScore& score) {
  return Json{{"model", score.model},
              {"tokens", score.tokens ? Json(*score.tokens) : Json()},
              {"loss", or_null(score.loss)},
              {"perplexity", or_null(score.perplexity)},
              {"bits_per_byte", or_null(score.bits_per_byte)},
              {"context", score.context}};
}

Result<TextScore> evaluate_text(Hive& hive, const EvaluateText& request, const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  PANAL_ASSIGN(const std::string text, file_of(request.data, "a text file"));
  Json spec = spec_of(source);
  spec.update(Json{{"texts", Json::array({{{"name", "data"}, {"path", text}}})},
                   {"context", request.context},
                   {"max_tokens", request.max_tokens}});
  PANAL_ASSIGN(
      const Json result,
      hive.run_job({.kind = "evaluate", .spec = std::move(spec), .activity = "evaluating"}, watch));
  if (!json_has(result, "evaluations") || !result.at("evaluations").is_array() ||
      result.at("evaluations").empty()) {
    return Status(Code::kInternal, "the evaluation ended without a figure");
  }
  // The core comes first, the adapter (when there is one) last.
  const Json& last = result.at("evaluations").back();
  TextScore score{.model = source.label,
                  .loss = number_of(last, "loss"),
                  .perplexity = number_of(last, "perplexity"),
                  .bits_per_byte = number_of(last, "bits_per_byte"),
                  .context = request.context};
  if (const auto tokens = number_of(last, "tokens"))
    score.tokens = static_cast<std::int64_t>(*tokens);
  return score;
}

Result<ChoiceScores> evaluate_choices(Hive& hive, const EvaluateChoices& request,
                                      const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  Json task = {{"format", request.format}, {"shots", request.shots}, {"limit", request.limit}};
  PANAL_ASSIGN(task["path"], file_of(request.tasks, "a JSONL file of questions"));
  if (!request.shots_file.empty()) {
    PANAL_ASSIGN(task["shots_path"], file_of(request.shots_file, "a JSONL file of examples"));
  }
  Json spec = spec_of(source);
  spec.update(Json{{"task", task}, {"context", request.context.value_or(0)}});
  // The engine writes a file of ours: who asks decides where the lines go.
  const auto details = hive.home().run / fmt::format("details-{}.jsonl", random_hex(8));
  if (request.wants_details) spec["details"] = details.string();
  auto figures =
      hive.run_job({.kind = "choices", .spec = std::move(spec), .activity = "evaluating"}, watch);
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
