// The summary of a run as JSON, and back: a finished run answers from its file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "train/detail/checkpoint.h"
#include "train/detail/evaluation_json.h"
#include "train/detail/summary_file.h"
#include "train/run.h"

namespace panal::train {
namespace {

constexpr std::array<std::pair<RunStatus, std::string_view>, 3> kStatusNames{{
    {RunStatus::kCompleted, "completed"},
    {RunStatus::kTimeLimit, "time_limit"},
    {RunStatus::kStopped, "stopped"},
}};

constexpr std::int64_t kMost = std::int64_t{1} << 60;

// The integer members, once for both directions.
constexpr std::array<std::pair<const char*, std::int64_t TrainSummary::*>, 14> kIntegers{{
    {"steps", &TrainSummary::steps},
    {"planned_steps", &TrainSummary::planned_steps},
    {"skipped_steps", &TrainSummary::skipped_steps},
    {"outlier_steps", &TrainSummary::outlier_steps},
    {"rollbacks", &TrainSummary::rollbacks},
    {"resumed_from_step", &TrainSummary::resumed_from_step},
    {"parameters", &TrainSummary::parameters},
    {"trainable_parameters", &TrainSummary::trainable_parameters},
    {"training_documents", &TrainSummary::training_documents},
    {"validation_documents", &TrainSummary::validation_documents},
    {"duplicate_documents", &TrainSummary::duplicate_documents},
    {"duplicate_bytes", &TrainSummary::duplicate_bytes},
    {"training_tokens", &TrainSummary::training_tokens},
    {"tokens", &TrainSummary::tokens},
}};

// What may be unknown.
constexpr std::array<std::pair<const char*, std::optional<std::int64_t> TrainSummary::*>, 3>
    kOptionalIntegers{{
        {"peak_resident_bytes", &TrainSummary::peak_resident_bytes},
        {"largest_process_bytes", &TrainSummary::largest_process_bytes},
        {"peak_device_bytes", &TrainSummary::peak_device_bytes},
    }};

constexpr std::array<std::pair<const char*, double TrainSummary::*>, 4> kNumbers{{
    {"seconds", &TrainSummary::seconds},
    {"tokens_per_second", &TrainSummary::tokens_per_second},
    {"checkpoint_seconds", &TrainSummary::checkpoint_seconds},
    {"training_loss", &TrainSummary::training_loss},
}};

Status read_status(const Json& json, const std::string& where, TrainSummary& summary) {
  PANAL_ASSIGN(const std::string kind, json_string(json, "kind", where));
  summary.kind = kind == recipe::run_kind_name(recipe::RunKind::kLora) ? recipe::RunKind::kLora
                                                                       : recipe::RunKind::kPretrain;
  PANAL_ASSIGN(const std::string status, json_string(json, "status", where));
  const auto found =
      std::ranges::find(kStatusNames, status, [](const auto& e) { return e.second; });
  if (found == kStatusNames.end()) {
    return Status(Code::kCorrupt, fmt::format("{}: unknown status \"{}\"", where, status));
  }
  summary.status = found->first;
  return Status();
}

Status read_sources(const Json& json, const std::string& where, TrainSummary& summary) {
  if (!json_has(json, "sources") || !json["sources"].is_array()) {
    return Status(Code::kCorrupt, where + ": sources must be a list");
  }
  for (const Json& entry : json["sources"]) {
    data::SourceUse source;
    PANAL_ASSIGN(source.name, json_string(entry, "name", where));
    PANAL_ASSIGN(source.share, json_number(entry, "share", where, 0, 1));
    PANAL_ASSIGN(source.num_tokens, json_integer(entry, "tokens", where, 0, kMost));
    PANAL_ASSIGN(source.num_windows, json_integer(entry, "windows_per_epoch", where, 1, kMost));
    PANAL_ASSIGN(source.windows, json_integer(entry, "windows", where, 0, kMost));
    summary.sources.push_back(std::move(source));
  }
  return Status();
}

}  // namespace

std::string_view run_status_name(RunStatus status) {
  return std::ranges::find(kStatusNames, status, [](const auto& entry) { return entry.first; })
      ->second;
}

Json summary_to_json(const TrainSummary& summary) {
  Json json = {{"status", run_status_name(summary.status)},
               {"kind", recipe::run_kind_name(summary.kind)},
               {"name", summary.name}};
  for (const auto& [key, member] : kIntegers) json[key] = summary.*member;
  for (const auto& [key, member] : kOptionalIntegers) {
    if (summary.*member) json[key] = *(summary.*member);
  }
  for (const auto& [key, member] : kNumbers) json[key] = summary.*member;
  if (summary.first_evaluation) {
    json["first_evaluation"] = evaluation_to_json(*summary.first_evaluation);
  }
  if (summary.last_evaluation) {
    json["last_evaluation"] = evaluation_to_json(*summary.last_evaluation);
  }
  if (summary.best_evaluation) {
    json["best_evaluation"] = evaluation_to_json(*summary.best_evaluation);
  }
  json["dataset_sha256"] = summary.dataset_sha256;
  json["sources"] = Json::array();
  for (const data::SourceUse& source : summary.sources) {
    json["sources"].push_back({{"name", source.name},
                               {"share", source.share},
                               {"tokens", source.num_tokens},
                               {"windows_per_epoch", source.num_windows},
                               {"windows", source.windows},
                               {"epochs", source.epochs()}});
  }
  json["sample"] = summary.sample;
  json["energy"] = detail::energy_to_json(summary.energy);
  json["model_folder"] = summary.model_folder.string();
  return json;
}

Result<TrainSummary> detail::read_summary(const std::filesystem::path& path) {
  PANAL_ASSIGN(const std::string text, store::read_file(path, 64 << 20));
  const std::string where = path.string();
  PANAL_ASSIGN(const Json json, parse_json(text, where));
  TrainSummary summary;
  PANAL_TRY(read_status(json, where, summary));
  PANAL_ASSIGN(summary.name, json_string(json, "name", where));
  for (const auto& [key, member] : kIntegers) {
    PANAL_ASSIGN(summary.*member, json_integer(json, key, where, -1, kMost));
  }
  for (const auto& [key, member] : kOptionalIntegers) {
    if (!json_has(json, key)) continue;
    PANAL_ASSIGN(summary.*member, json_integer(json, key, where, 1, kMost));
  }
  for (const auto& [key, member] : kNumbers) {
    PANAL_ASSIGN(summary.*member, json_number(json, key, where, 0, 1e18));
  }
  if (json_has(json, "first_evaluation")) {
    PANAL_ASSIGN(summary.first_evaluation, evaluation_from_json(json["first_evaluation"], where));
  }
  if (json_has(json, "last_evaluation")) {
    PANAL_ASSIGN(summary.last_evaluation, evaluation_from_json(json["last_evaluation"], where));
  }
  if (json_has(json, "best_evaluation")) {
    PANAL_ASSIGN(summary.best_evaluation, evaluation_from_json(json["best_evaluation"], where));
  }
  PANAL_ASSIGN(summary.dataset_sha256, json_string(json, "dataset_sha256", where));
  PANAL_TRY(read_sources(json, where, summary));
  PANAL_ASSIGN(summary.sample, json_string(json, "sample", where));
  if (!json_has(json, "energy")) return Status(Code::kCorrupt, where + ": energy is missing");
  PANAL_ASSIGN(summary.energy, energy_from_json(json["energy"], where));
  PANAL_ASSIGN(const std::string folder, json_string(json, "model_folder", where));
  summary.model_folder = folder;
  return summary;
}

}  // namespace panal::train
