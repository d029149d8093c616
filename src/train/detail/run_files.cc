#include "train/detail/run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "store/mapped_file.h"

namespace panal::train::detail {
namespace {

constexpr std::uint64_t kMostBytes = 16 << 20;

// Changing these does not change what is learned; another number of processes changes rounding.
bool may_change(const std::string& field) {
  return field == "/name" || field == "/memory/recompute" || field == "/memory/states" ||
         field.starts_with("/limits/") || field.starts_with("/checkpoint/") ||
         field.starts_with("/parallel/") || field.starts_with("/evaluation/");
}

std::string dotted(std::string field) {
  std::ranges::replace(field, '/', '.');
  return field.substr(1);
}

std::string shown(const Json& flat, const std::string& field) {
  return flat.contains(field) ? json_shown(flat[field]) : "nothing";
}

Status compare(const Json& began, const Json& now, const std::filesystem::path& directory) {
  const Json before = began.flatten(), after = now.flatten();
  // In the order of the config, where what a person chose stands before what follows from it.
  std::vector<std::string> fields;
  for (const auto& [field, value] : before.items()) fields.push_back(field);
  for (const auto& [field, value] : after.items()) {
    if (!before.contains(field)) fields.push_back(field);
  }
  for (const auto& field : fields) {
    const bool is_same =
        before.contains(field) && after.contains(field) && before[field] == after[field];
    if (is_same || may_change(field)) continue;
    return Status(
        Code::kConflict,
        fmt::format("the run in {} began with {} = {}, but the config now says {}; go back "
                    "to the old value or use another run directory",
                    directory.string(), dotted(field), shown(before, field), shown(after, field)));
  }
  return Status();
}

}  // namespace

Result<std::optional<Plan>> read_plan(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::optional<Plan>();
  const std::string where = path.string();
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMostBytes));
  PANAL_ASSIGN(const Json json, parse_json(text, where));
  Plan plan;
  PANAL_ASSIGN(plan.steps, StepPlan::from_json(json, where));
  if (!plan.steps.is_decided()) return Status(Code::kCorrupt, where + ": it decides no steps");
  if (json_has(json, "for_seconds")) {
    PANAL_ASSIGN(plan.for_seconds, json_number(json, "for_seconds", where, 0, 1e18));
  }
  PANAL_ASSIGN(plan.threads, json_integer(json, "threads", where, 1, 1024));
  PANAL_ASSIGN(plan.core_checksum, json_string(json, "core_checksum", where));
  return std::optional<Plan>(plan);
}

Status write_plan(store::FileSystem& files, const std::filesystem::path& path, const Plan& plan) {
  Json json = plan.steps.to_json();
  json["threads"] = plan.threads;
  json["core_checksum"] = plan.core_checksum;
  if (plan.for_seconds) json["for_seconds"] = *plan.for_seconds;
  return store::write_file_atomically(files, path, to_pretty(json));
}

Status claim_directory(store::FileSystem& files, const recipe::RunConfig& config) {
  const auto path = config.run_directory / "config.json";
  const Json now = recipe::run_config_to_json(config);
  bool is_same_text = false;
  if (std::filesystem::exists(path)) {
    PANAL_ASSIGN(const std::string text, store::read_file(path, kMostBytes));
    PANAL_ASSIGN(const Json began, parse_json(text, path.string()));
    is_same_text = text == to_pretty(now);
    if (const Status same = compare(began, now, config.run_directory); !same.ok()) {
      if (std::filesystem::exists(config.run_directory / "plan.json")) return same;
      // No step was taken: what the other config prepared is thrown away.
      for (const char* prepared : {"data", "tokenizer", "summary.json"}) {
        std::filesystem::remove_all(config.run_directory / prepared);
      }
    }
  }
  return is_same_text ? Status() : store::write_file_atomically(files, path, to_pretty(now));
}

Result<std::string> weights_checksum(const std::filesystem::path& model) {
  std::vector<std::filesystem::path> weights;
  std::error_code error;
  if (std::filesystem::is_directory(model, error)) {
    for (const auto& entry : std::filesystem::directory_iterator(model, error)) {
      const auto extension = entry.path().extension();
      if (extension == ".gguf" || extension == ".safetensors") weights.push_back(entry.path());
    }
  } else {
    weights.push_back(model);
  }
  std::ranges::sort(weights);
  std::string all;
  for (const auto& path : weights) {
    PANAL_ASSIGN(const store::MappedFile file, store::MappedFile::open(path));
    all += fmt::format("{:016x}", xxh3_64(file.bytes()));
  }
  return fmt::format("{:016x}", xxh3_64(all));
}

Status replace_folder(store::FileSystem& files, const std::filesystem::path& folder,
                      const std::function<Status(const std::filesystem::path&)>& fill) {
  const auto beside = [&](std::string_view ending) {
    return std::filesystem::path(folder.string() + std::string(ending));
  };
  const auto unfinished = beside(".unfinished"), old = beside(".old");
  std::error_code ignored;
  std::filesystem::remove_all(unfinished, ignored);
  std::filesystem::remove_all(old, ignored);
  PANAL_TRY(store::make_directories(files, unfinished));
  Status status = fill(unfinished);
  if (status.ok()) status = files.sync_directory(unfinished);
  if (status.ok() && std::filesystem::exists(folder)) status = files.rename(folder, old);
  if (status.ok()) status = files.rename(unfinished, folder);
  if (status.ok()) status = files.sync_directory(store::folder_of(folder));
  if (!status.ok()) std::filesystem::remove_all(unfinished, ignored);
  std::filesystem::remove_all(old, ignored);
  return status;
}

}  // namespace panal::train::detail
