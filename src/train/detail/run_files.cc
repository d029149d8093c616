#include "train/detail/run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace panal::train::detail {
namespace {

constexpr std::uint64_t kMostBytes = 16 << 20;

// What a run must keep: all that shapes its weights, and what is decided by the computer it began
// on.
bool must_stay(const std::string& field) {
  using enum recipe::FieldRole;
  const auto role = recipe::role_of(field).value_or(kShapesWeights);
  return role == kShapesWeights || role == kKept;
}

std::string dotted(std::string field) {
  std::ranges::replace(field, '/', '.');
  return field.substr(1);
}

std::string shown(const Json& flat, const std::string& field) {
  return flat.contains(field) ? json_shown(flat[field]) : "nothing";
}

Status check_fields(const Json& began, const Json& now, const std::filesystem::path& directory) {
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
    if (is_same || !must_stay(dotted(field))) continue;
    return Status(
        Code::kConflict,
        fmt::format("the run in {} began with {} = {}, but the config now says {}; go back to the "
                    "old value, or begin a new run with --new",
                    directory.string(), dotted(field), shown(before, field), shown(after, field)));
  }
  return Status();
}

Status check_inputs(const recipe::RunIdentity& began, const recipe::RunIdentity& now,
                    const std::filesystem::path& directory) {
  for (const auto& [name, digest] : now.inputs) {
    const auto before = began.inputs.find(name);
    if (before != began.inputs.end() && before->second == digest) continue;
    return Status(Code::kConflict,
                  fmt::format("what {} leads to is not what the run in {} began with; put that "
                              "back, or begin a new run with --new",
                              name, directory.string()));
  }
  return Status();
}

// That this config and what its files hold are those the directory was begun with.
Status check_same_run(const std::filesystem::path& directory, const Json& config,
                      const recipe::RunIdentity& identity) {
  const auto config_path = directory / "config.json", identity_path = directory / "identity.json";
  if (std::filesystem::exists(config_path)) {
    PANAL_ASSIGN(const std::string text, store::read_file(config_path, kMostBytes));
    PANAL_ASSIGN(const Json began, parse_json(text, config_path.string()));
    PANAL_TRY(check_fields(began, config, directory));
  }
  if (!std::filesystem::exists(identity_path)) return Status();
  PANAL_ASSIGN(const std::string text, store::read_file(identity_path, kMostBytes));
  PANAL_ASSIGN(const Json json, parse_json(text, identity_path.string()));
  PANAL_ASSIGN(const auto began, recipe::identity_from_json(json, identity_path.string()));
  return check_inputs(began, identity, directory);
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
  return std::optional<Plan>(plan);
}

Status write_plan(store::FileSystem& files, const std::filesystem::path& path, const Plan& plan) {
  Json json = plan.steps.to_json();
  json["threads"] = plan.threads;
  if (plan.for_seconds) json["for_seconds"] = *plan.for_seconds;
  return store::write_file_atomically(files, path, to_pretty(json));
}

Result<recipe::RunIdentity> claim_directory(store::FileSystem& files,
                                            const recipe::RunConfig& config) {
  const auto& directory = config.run_directory;
  const Json now = recipe::run_config_to_json(config);
  PANAL_ASSIGN(recipe::RunIdentity identity, recipe::identify(config));
  if (const Status same = check_same_run(directory, now, identity); !same.ok()) {
    if (std::filesystem::exists(directory / "plan.json")) return same;
    // No step was taken: what the other run prepared is thrown away.
    for (const char* prepared : {"data", "tokenizer", "summary.json"}) {
      std::filesystem::remove_all(directory / prepared);
    }
  }
  const auto keep = [&](const char* name, const Json& json) -> Status {
    const std::string text = to_pretty(json);
    const auto there = store::read_file(directory / name, kMostBytes);
    if (there.ok() && *there == text) return Status();
    return store::write_file_atomically(files, directory / name, text);
  };
  PANAL_TRY(keep("config.json", now));
  PANAL_TRY(keep("identity.json", recipe::identity_to_json(identity)));
  return identity;
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
