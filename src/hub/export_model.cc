#include "hub/export_model.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "hub/model_source.h"
#include "store/file_system.h"
#include "work/check_jobs.h"

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
  PANAL_ASSIGN(const auto files,
               hive.run_job(work::ExportModelJob{.model = source.core, .output = folder},
                            {.activity = "exporting"}, watch));
  exported.parameters = files.parameters;
  return Status();
}

Status name_folder(const std::filesystem::path& partial, const std::filesystem::path& output) {
  std::error_code error;
  std::filesystem::rename(partial, output, error);
  if (!error) return Status();
  return Status(Code::kUnavailable,
                fmt::format("cannot name {}: {}", output.string(), error.message()));
}

// Where an export may go: nothing is there yet, or an empty folder, also behind a link.
Result<std::filesystem::path> new_folder(const std::filesystem::path& named) {
  auto folder = std::filesystem::absolute(named).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return folder;
  if (!std::filesystem::is_directory(folder, error)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{} must be a new or an empty folder, found a file", named.string()));
  }
  if (!std::filesystem::is_empty(folder, error) || error) {
    return Status(Code::kConflict,
                  fmt::format("{} exists and is not empty; name a new folder", named.string()));
  }
  auto real = std::filesystem::canonical(folder, error);
  if (!error) return real;
  return Status(Code::kUnavailable,
                fmt::format("cannot find {}: {}", named.string(), error.message()));
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
  PANAL_ASSIGN(const auto output, new_folder(request.folder));
  ExportedModel exported{.model = source.label, .folder = output};
  // The folder gets its name when it is whole.
  const std::filesystem::path partial =
      fmt::format("{}.{}.partial", output.string(), random_hex(6));
  Status written;
  if (source.adapter) {
    exported.adapter_of = source.version->lineage.parent;
    written = copy_adapter(source, partial);
  } else {
    written = write_whole_model(hive, source, partial, exported, watch);
  }
  std::error_code error;
  if (written.ok() && std::filesystem::exists(output, error)) {
    // Where it cannot be kept, the folder belongs to whoever exports, as a new one would.
    (void)store::posix_file_system().copy_ownership(output, partial);
  }
  if (written.ok()) written = name_folder(partial, output);
  if (written.ok()) return exported;
  std::filesystem::remove_all(partial, error);
  return written;
}

}  // namespace panal::hub
