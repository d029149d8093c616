#include "hub/import_expert.h"

#include <fmt/format.h>

#include "hub/model_source.h"
#include "hub/register_model.h"
#include "store/file_system.h"
#include "store/git_lfs.h"
#include "work/check_jobs.h"

namespace panal::hub {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// The core that the adapter itself names; "" when it names none.
Result<std::string> core_named_in(const std::filesystem::path& config_path) {
  PANAL_ASSIGN(const std::string text, store::read_file(config_path, kMaxConfigBytes));
  PANAL_TRY(store::refuse_lfs_pointer(text, config_path));
  PANAL_ASSIGN(const Json config, parse_json(text, config_path.string()));
  if (!json_has(config, "base_model_name_or_path")) return std::string();
  return json_string(config, "base_model_name_or_path", config_path.string());
}

Result<ModelSource> find_core(Hive& hive, const ImportExpert& request) {
  std::string reference = request.core;
  if (reference.empty()) {
    PANAL_ASSIGN(reference, core_named_in(request.path / "adapter_config.json"));
  }
  if (!reference.empty()) {
    const auto found = find_model_source(hive, reference);
    if (found.ok() && found->is_registered_core()) return found;
  }
  if (!request.core.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("the core must be a registered base model, found \"{}\"; import it "
                              "first: panal models import",
                              request.core));
  }
  return Status(
      Code::kInvalidArgument,
      fmt::format("{}: a PEFT adapter needs its core, and \"base_model_name_or_path\" is \"{}\", "
                  "which is no registered base model; name one with --core",
                  request.path.string(), reference));
}

}  // namespace

bool is_peft_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path / "adapter_config.json", ignored);
}

Result<registry::ModelVersion> import_expert(Hive& hive, const ImportExpert& request,
                                             const Watch& watch) {
  PANAL_TRY(
      hive.catalogue().check_name_is_free(request.name, registry::Catalogue::NameUse::kAdapter));
  std::error_code ignored;
  registry::NewModel model{.kind = registry::ModelKind::kAdapter, .name = request.name};
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    if (!std::filesystem::is_regular_file(request.path / name, ignored)) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: a PEFT adapter is adapter_config.json and "
                                "adapter_model.safetensors, found no {}",
                                request.path.string(), name));
    }
    model.files[name] = request.path / name;
  }
  PANAL_ASSIGN(const ModelSource core, find_core(hive, request));
  const auto folder = std::filesystem::absolute(request.path).lexically_normal();
  PANAL_ASSIGN(const auto facts,
               hive.run_job(work::CheckAdapterJob{.model = core.core, .adapter = folder},
                            {.activity = "checking the adapter over its core"}, watch));
  model.architecture = work::to_json(facts);
  model.lineage.parent = core.version->label();
  model.lineage.code_version = code_version();
  model.lineage.source =
      folder.has_filename() ? folder.filename().string() : folder.parent_path().filename().string();
  if (!request.licence.empty()) model.lineage.details["licence"] = request.licence;
  return register_checked(hive, std::move(model), facts.parameters, "every tensor fits its core",
                          "imported last");
}

}  // namespace panal::hub
