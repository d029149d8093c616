#include "hub/export_model.h"

#include <fmt/format.h>

#include "hub/model_source.h"

namespace panal::hub {
namespace {

// An expert's files are a PEFT folder as they are.
Status copy_adapter(const ModelSource& source, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  for (const auto& file : std::filesystem::directory_iterator(*source.adapter)) {
    const auto copy = folder / file.path().filename();
    if (error || !std::filesystem::copy_file(file.path(), copy, error)) break;
    // The registry's own files are read-only.
    std::filesystem::permissions(copy, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add, error);
  }
  if (!error) return Status();
  return Status(Code::kUnavailable, fmt::format("cannot write {} to {}: {}", source.label,
                                                folder.string(), error.message()));
}

Status write_whole_model(Hive& hive, const ModelSource& source, const std::filesystem::path& folder,
                         ExportedModel& exported, const Watch& watch) {
  PANAL_ASSIGN(
      const Json result,
      hive.run_job({.kind = "export",
                    .spec = Json{{"path", source.core.string()}, {"output", folder.string()}},
                    .activity = "exporting"},
                   watch));
  if (json_has(result, "parameters"))
    exported.parameters = result.at("parameters").get<std::int64_t>();
  return Status();
}

Status name_folder(const std::filesystem::path& partial, const std::filesystem::path& output) {
  std::error_code error;
  std::filesystem::rename(partial, output, error);
  if (!error) return Status();
  return Status(Code::kUnavailable,
                fmt::format("cannot name {}: {}", output.string(), error.message()));
}

}  // namespace

Json to_json(const ExportedModel& exported) {
  Json json = {{"model", exported.model}, {"folder", exported.folder.string()}};
  if (exported.adapter_of) json["adapter_of"] = *exported.adapter_of;
  if (exported.parameters) json["parameters"] = *exported.parameters;
  return json;
}

Result<ExportedModel> export_model(Hive& hive, const ExportModel& request, const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  auto output = std::filesystem::absolute(request.folder).lexically_normal();
  if (!output.has_filename()) output = output.parent_path();
  std::error_code error;
  if (std::filesystem::exists(output, error) && !std::filesystem::is_empty(output, error)) {
    return Status(Code::kConflict, fmt::format("{} exists and is not empty; name a new folder",
                                               request.folder.string()));
  }
  ExportedModel exported{.model = source.label, .folder = output};
  const std::filesystem::path partial = output.string() + ".partial";
  std::filesystem::remove_all(partial, error);
  Status written;
  if (source.adapter) {
    exported.adapter_of = source.version->lineage.parent;
    written = copy_adapter(source, partial);
  } else {
    written = write_whole_model(hive, source, partial, exported, watch);
  }
  if (written.ok()) written = name_folder(partial, output);
  if (written.ok()) return exported;
  std::filesystem::remove_all(partial, error);
  return written;
}

}  // namespace panal::hub
