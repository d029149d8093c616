#include "hub/import_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "hub/register_model.h"

namespace panal::hub {
namespace {

constexpr std::array<std::string_view, 8> kModelFiles = {
    "config.json",           "generation_config.json",  "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "model.safetensors.index.json",
    "chat_template.jinja",   "added_tokens.json"};

bool is_model_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return std::ranges::find(kModelFiles, name) != kModelFiles.end() ||
         path.extension() == ".safetensors" || path.extension() == ".gguf";
}

// The files of a model folder that panal reads; others (read-me files, pickled weights) stay
// behind.
Result<std::map<std::string, std::filesystem::path>> model_files(
    const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    if (path.extension() != ".gguf") {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: expected a .gguf file or a model folder", path.string()));
    }
    return std::map<std::string, std::filesystem::path>{{path.filename().string(), path}};
  }
  if (!std::filesystem::is_directory(path, error)) {
    return Status(
        Code::kNotFound,
        fmt::format("{}: expected a .gguf file or a model folder, found nothing", path.string()));
  }
  std::map<std::string, std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file() && is_model_file(entry.path()))
      files[entry.path().filename().string()] = entry.path();
  }
  if (error)
    return Status(Code::kUnavailable, fmt::format("{}: {}", path.string(), error.message()));
  if (files.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected one .gguf file, or config.json with .safetensors "
                              "weights and tokenizer.json, found neither",
                              path.string()));
  }
  return files;
}

}  // namespace

Result<registry::ModelVersion> import_model(Hive& hive, const ImportModel& request,
                                            const Watch& watch) {
  PANAL_TRY(
      hive.catalogue().check_name_is_free(request.name, registry::Catalogue::NameUse::kBaseModel));
  registry::NewModel model{.name = request.name};
  PANAL_ASSIGN(model.files, model_files(request.path));
  const auto path = std::filesystem::absolute(request.path);
  model.lineage.code_version = code_version();
  model.lineage.source = path.filename().string();
  if (!request.licence.empty()) model.lineage.details["licence"] = request.licence;
  return register_base_model(hive, std::move(model), path.string(), "imported last", watch);
}

}  // namespace panal::hub
