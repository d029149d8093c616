#include "registry/model_version.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace panal::registry {
namespace {

constexpr std::array<std::pair<Lifecycle, std::string_view>, 4> kStates = {{
    {Lifecycle::kCandidate, "candidate"},
    {Lifecycle::kReady, "ready"},
    {Lifecycle::kPreferred, "preferred"},
    {Lifecycle::kRetired, "retired"},
}};

constexpr std::array<std::pair<Lifecycle, Lifecycle>, 7> kLegal = {{
    {Lifecycle::kCandidate, Lifecycle::kReady},
    {Lifecycle::kReady, Lifecycle::kPreferred},
    {Lifecycle::kPreferred, Lifecycle::kReady},
    {Lifecycle::kCandidate, Lifecycle::kRetired},
    {Lifecycle::kReady, Lifecycle::kRetired},
    {Lifecycle::kPreferred, Lifecycle::kRetired},
    {Lifecycle::kRetired, Lifecycle::kCandidate},
}};

bool is_small_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_name_part(std::string_view part) {
  return !part.empty() && part.size() <= 64 && is_small_letter_or_digit(part[0]) &&
         std::ranges::all_of(part, [](char c) {
           return is_small_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

constexpr std::string_view kRule =
    "1 to 64 small letters, digits, '.', '_' or '-', starting with a letter or digit";

// What a request may ask for besides the names that were given here.
constexpr std::string_view kAutoName = "auto";
constexpr std::string_view kCoreName = "core";

Status reserved(std::string_view name, std::string_view meaning, std::string_view whose) {
  return Status(Code::kInvalidArgument,
                fmt::format("\"{}\" means {}; choose another name for {}", name, meaning, whose));
}

std::string text_of(const Json& object, std::string_view key) {
  return json_has(object, key) && object.at(std::string(key)).is_string()
             ? object.at(std::string(key)).get<std::string>()
             : std::string();
}

}  // namespace

std::string_view kind_name(ModelKind kind) { return kind == ModelKind::kBase ? "base" : "adapter"; }

std::string_view lifecycle_name(Lifecycle state) {
  return kStates[static_cast<std::size_t>(state)].second;
}

Result<Lifecycle> lifecycle_from_name(std::string_view name) {
  for (const auto& [state, text] : kStates) {
    if (text == name) return state;
  }
  return Status(Code::kInvalidArgument,
                fmt::format("a model is candidate, ready, preferred or retired, found \"{}\"",
                            name.substr(0, 60)));
}

bool is_legal_transition(Lifecycle from, Lifecycle to) {
  return std::ranges::find(kLegal, std::pair(from, to)) != kLegal.end();
}

Status check_name(std::string_view name, std::string_view what) {
  if (is_name_part(name)) return Status();
  return Status(Code::kInvalidArgument, fmt::format("the name of {} must be {}; found \"{}\"", what,
                                                    kRule, name.substr(0, 100)));
}

Status check_endpoint_name(std::string_view name) {
  if (name == kAutoName) return reserved(name, "the default endpoint", "the endpoint");
  return check_name(name, "an endpoint");
}

Status check_model_name(std::string_view name, ModelKind kind) {
  if (name == kAutoName) return reserved(name, "the default endpoint", "the model");
  if (name == kCoreName && kind == ModelKind::kAdapter)
    return reserved(name, "the core of an endpoint", "the expert");
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return check_name(name, "a model");
  const std::string_view last = name.substr(slash + 1);
  // Only digits would be a version's folder of the model before the slash.
  const bool is_number = std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
  if (kind == ModelKind::kAdapter && is_name_part(name.substr(0, slash)) && is_name_part(last) &&
      !is_number) {
    return Status();
  }
  if (kind == ModelKind::kBase) {
    return Status(Code::kInvalidArgument,
                  fmt::format("the name of a base model must be {}, without '/'; found \"{}\"",
                              kRule, name.substr(0, 150)));
  }
  return Status(
      Code::kInvalidArgument,
      fmt::format(
          "the name of an adapter must be NAME or CORE/NAME, each {}, NAME not only digits; "
          "found \"{}\"",
          kRule, name.substr(0, 150)));
}

Status check_file_name(std::string_view name) {
  const bool is_plain = std::ranges::none_of(name, [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (is_plain && !name.empty() && name.size() <= 200 && name[0] != '.') return Status();
  return Status(
      Code::kInvalidArgument,
      fmt::format(
          "a model's file must have a plain name of 1 to 200 bytes that does not start with '.', "
          "found {}",
          json_shown(Json(name))));
}

std::uint64_t ModelVersion::num_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& file : files) sum += file.num_bytes;
  return sum;
}

Json to_json(const Lineage& lineage) {
  return Json{{"dataset_sha256", lineage.dataset_sha256},
              {"code_version", lineage.code_version},
              {"config_sha256", lineage.config_sha256},
              {"run_id", lineage.run_id},
              {"parent", lineage.parent},
              {"source", lineage.source},
              {"details", lineage.details}};
}

Lineage lineage_from_json(const Json& json) {
  return Lineage{.dataset_sha256 = text_of(json, "dataset_sha256"),
                 .code_version = text_of(json, "code_version"),
                 .config_sha256 = text_of(json, "config_sha256"),
                 .run_id = text_of(json, "run_id"),
                 .parent = text_of(json, "parent"),
                 .source = text_of(json, "source"),
                 .details = json_has(json, "details") ? json.at("details") : Json::object()};
}

std::optional<LearntPartition> learnt_partition(const Lineage& lineage) {
  const auto id = json_integer(lineage.details, "partitioning", "lineage", 1,
                               std::numeric_limits<std::int64_t>::max());
  const auto label = json_string(lineage.details, "partition", "lineage");
  if (!id.ok() || !label.ok()) return std::nullopt;
  return LearntPartition{.partitioning = *id, .label = *label};
}

Json to_json(const ModelVersion& model) {
  Json files = Json::array();
  for (const auto& file : model.files) {
    files.push_back(
        Json{{"name", file.name}, {"sha256", file.blob}, {"num_bytes", file.num_bytes}});
  }
  return Json{{"id", model.id},
              {"kind", kind_name(model.kind)},
              {"name", model.name},
              {"version", model.version},
              {"state", lifecycle_name(model.state)},
              {"created_unix_ms", model.created_unix_ms},
              {"num_bytes", model.num_bytes()},
              {"files", std::move(files)},
              {"architecture", model.architecture},
              {"lineage", to_json(model.lineage)}};
}

Json to_json(const Evaluation& evaluation) {
  return Json{{"check", evaluation.check},
              {"metric", evaluation.metric},
              {"value", evaluation.value ? Json(*evaluation.value) : Json()},
              {"passed", evaluation.passed ? Json(*evaluation.passed) : Json()},
              {"details", evaluation.details},
              {"created_unix_ms", evaluation.created_unix_ms}};
}

}  // namespace panal::registry
