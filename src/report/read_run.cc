#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "report/detail/read_benchmark.h"
#include "report/run_record.h"
#include "store/file_system.h"

namespace panal::report {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
constexpr std::int64_t kMost = std::int64_t{1} << 60;

Result<std::optional<double>> optional_number(const Json& line, const char* key,
                                              const std::string& where) {
  if (!json_has(line, key)) return std::optional<double>();
  PANAL_ASSIGN(const double value, json_number(line, key, where, -1e300, 1e300));
  return std::optional<double>(value);
}

// One line of metrics.jsonl: a step, or an evaluation.
Status add_line(const Json& line, const std::string& where, RunRecord& run) {
  PANAL_ASSIGN(const std::int64_t step, json_integer(line, "step", where, 0, kMost));
  if (json_has(line, "validation_loss")) {
    PANAL_ASSIGN(const double loss, json_number(line, "validation_loss", where, 0, 1e300));
    run.validation.push_back({.step = step, .loss = loss});
    return Status();
  }
  if (!line.contains("loss")) return Status();  // A kind of line that newer programs write.
  StepPoint point{.step = step};
  PANAL_ASSIGN(point.loss, optional_number(line, "loss", where));
  PANAL_ASSIGN(point.gradient_norm, optional_number(line, "gradient_norm", where));
  PANAL_ASSIGN(point.tokens, json_integer(line, "tokens", where, 0, kMost));
  PANAL_ASSIGN(point.seconds, json_number(line, "seconds", where, 0, 1e12));
  if (json_has(line, "skipped")) {
    PANAL_ASSIGN(point.was_skipped, json_boolean(line, "skipped", where));
  }
  run.steps.push_back(point);
  return Status();
}

Status read_metrics(const std::filesystem::path& path, RunRecord& run) {
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMostBytes));
  std::string_view rest = text;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t found = rest.find('\n');
    const std::string_view words = rest.substr(0, found);
    rest.remove_prefix(found == std::string_view::npos ? rest.size() : found + 1);
    const std::string where = fmt::format("{} line {}", path.string(), number);
    const auto line = parse_json(words, where);
    if (!line.ok() && found == std::string_view::npos) {
      run.notes.push_back(fmt::format(
          "metrics.jsonl line {}: cut off, as a crash leaves it; it was left out", number));
      break;
    }
    if (!line.ok()) return Status(Code::kCorrupt, line.status().message());
    PANAL_TRY(add_line(*line, where, run));
  }
  std::ranges::stable_sort(run.steps, {}, &StepPoint::step);
  std::ranges::stable_sort(run.validation, {}, &ValidationPoint::step);
  return Status();
}

// A file of the run that need not be there.
Result<std::optional<Json>> read_optional(const std::filesystem::path& path) {
  const auto text = store::read_file(path, kMostBytes);
  if (text.code() == Code::kNotFound) return std::optional<Json>();
  PANAL_TRY(text.status());
  auto json = parse_json(*text, path.string());
  if (!json.ok()) return Status(Code::kCorrupt, json.status().message());
  if (!json->is_object()) {
    return Status(Code::kCorrupt, fmt::format("{}: wanted a JSON object, found {}", path.string(),
                                              json_shown(*json)));
  }
  return std::optional<Json>(std::move(*json));
}

Status read_summary(const std::filesystem::path& folder, RunRecord& run) {
  const std::string where = (folder / "summary.json").string();
  PANAL_ASSIGN(const std::optional<Json> summary, read_optional(where));
  if (!summary) {
    run.notes.push_back("no summary.json: the run has not ended, or was killed");
    return Status();
  }
  PANAL_ASSIGN(run.status, json_string(*summary, "status", where));
  PANAL_ASSIGN(run.parameters, json_integer(*summary, "parameters", where, 0, kMost));
  PANAL_ASSIGN(run.planned_steps, json_integer(*summary, "planned_steps", where, 0, kMost));
  PANAL_ASSIGN(run.wall_seconds, json_number(*summary, "seconds", where, 0, 1e12));
  PANAL_ASSIGN(const std::int64_t tokens, json_integer(*summary, "tokens", where, 0, kMost));
  if (tokens > 0) run.energy_tokens = tokens;
  if (!json_has(*summary, "energy")) return Status();
  const Json& energy = summary->at("energy");
  if (json_has(energy, "joules")) {
    PANAL_ASSIGN(run.energy.joules, json_number(energy, "joules", where, 0, 1e18));
  }
  if (json_has(energy, "method")) {
    PANAL_ASSIGN(run.energy.method, json_string(energy, "method", where));
  }
  return Status();
}

Status read_machines(const std::filesystem::path& folder, RunRecord& run) {
  const std::string where = (folder / "machines.json").string();
  PANAL_ASSIGN(const std::optional<Json> json, read_optional(where));
  if (!json) {
    run.notes.push_back("no machines.json: machine, peaks and memory are unknown");
    return Status();
  }
  if (json_has(*json, "model")) {
    PANAL_ASSIGN(run.cost, recipe::model_cost_from_json(json->at("model"), where));
  }
  if (!json_has(*json, "calls") || !json->at("calls").is_array()) {
    return Status(Code::kCorrupt, where + ": wanted a list \"calls\", found none");
  }
  for (const Json& entry : json->at("calls")) {
    Call call;
    PANAL_ASSIGN(call.from_step, json_integer(entry, "from_step", where, 0, kMost));
    if (!json_has(entry, "machine")) {
      return Status(Code::kCorrupt, where + ": wanted \"machine\" in every call, found none");
    }
    PANAL_ASSIGN(call.machine, machine::machine_from_json(entry.at("machine"), where));
    if (json_has(entry, "peak_resident_bytes")) {
      PANAL_ASSIGN(call.peak_resident_bytes,
                   json_integer(entry, "peak_resident_bytes", where, 1, kMost));
    }
    if (json_has(entry, "peak_device_bytes")) {
      PANAL_ASSIGN(call.peak_device_bytes,
                   json_integer(entry, "peak_device_bytes", where, 1, kMost));
    }
    if (json_has(entry, "largest_process_bytes")) {
      PANAL_ASSIGN(call.largest_process_bytes,
                   json_integer(entry, "largest_process_bytes", where, 1, kMost));
    }
    run.calls.push_back(std::move(call));
  }
  // A call that begins before an earlier one lost its checkpoints: its steps replace the others'.
  return Status();
}

Status read_name(const std::filesystem::path& folder, RunRecord& run) {
  const std::string where = (folder / "config.json").string();
  PANAL_ASSIGN(const std::optional<Json> config, read_optional(where));
  if (config && json_has(*config, "name")) {
    PANAL_ASSIGN(run.name, json_string(*config, "name", where));
  }
  return Status();
}

Result<RunRecord> read_directory(const std::filesystem::path& folder) {
  RunRecord run{
      .name = folder.filename().string(), .source = folder.string(), .status = "no summary"};
  PANAL_TRY(read_name(folder, run));
  PANAL_TRY(read_metrics(folder / "metrics.jsonl", run));
  PANAL_TRY(read_summary(folder, run));
  PANAL_TRY(read_machines(folder, run));
  if (run.steps.empty()) run.notes.push_back("no steps were taken yet");
  if (run.validation.empty()) run.notes.push_back("no validation: the run held out no text");
  return run;
}

}  // namespace

Result<RunRecord> read_run(const std::filesystem::path& path) {
  std::error_code ignored;
  for (const auto& folder : {path, path / "run"}) {
    if (std::filesystem::exists(folder / "metrics.jsonl", ignored)) return read_directory(folder);
  }
  if (std::filesystem::is_regular_file(path, ignored)) {
    PANAL_ASSIGN(const std::optional<Json> json, read_optional(path));
    return detail::benchmark_record(*json, path);
  }
  return Status(
      Code::kNotFound,
      fmt::format("wanted a run directory with a metrics.jsonl, or a file of `panal bench train "
                  "--json`, found {}: {}",
                  std::filesystem::is_directory(path, ignored) ? "a folder without one" : "nothing",
                  path.string()));
}

}  // namespace panal::report
