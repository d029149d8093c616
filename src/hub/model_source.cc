#include "hub/model_source.h"

#include <fmt/format.h>

namespace panal::hub {

Result<ModelSource> find_model_source(Hive& hive, const std::string& name_or_path) {
  registry::Catalogue& catalogue = hive.catalogue();
  auto resolved = catalogue.resolve(name_or_path);
  if (!resolved.ok()) {
    std::error_code error;
    if (!name_or_path.empty() && std::filesystem::exists(name_or_path, error)) {
      return ModelSource{.core = std::filesystem::absolute(name_or_path), .label = name_or_path};
    }
    if (resolved.code() != Code::kNotFound && resolved.code() != Code::kInvalidArgument)
      return resolved.status();
    return Status(Code::kNotFound, fmt::format("expected a registered model or the path of a model "
                                               "folder or GGUF file, found \"{}\": {}",
                                               name_or_path, resolved.status().message()));
  }
  ModelSource source{.label = resolved->model.label(), .version = resolved->model};
  PANAL_ASSIGN(const auto folder, catalogue.materialise(resolved->model));
  if (resolved->model.kind == registry::ModelKind::kBase) {
    source.core = folder;
    return source;
  }
  source.adapter = folder;
  PANAL_ASSIGN(const auto parent, catalogue.resolve(resolved->model.lineage.parent));
  PANAL_ASSIGN(source.core, catalogue.materialise(parent.model));
  return source;
}

}  // namespace panal::hub
