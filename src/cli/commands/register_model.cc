#include "cli/commands/commands.h"

namespace panal::cli {

Result<registry::ModelVersion> register_base_model(registry::NewModel model,
                                                   const std::string& path,
                                                   std::string_view why_preferred,
                                                   Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(model.architecture,
               workspace.run_job("check", Json{{"path", path}}, "checking every tensor"));
  model.reuse_identical = true;
  PANAL_ASSIGN(auto added, catalogue->add_model(model));
  if (added.state != registry::Lifecycle::kCandidate) return added;
  const registry::Evaluation loads = {.check = "loads",
                                      .metric = "parameters",
                                      .value = model.architecture.value("parameters", 0.0),
                                      .passed = true};
  PANAL_TRY(catalogue->record_evaluation(added.id, loads).status());
  PANAL_TRY(
      catalogue
          ->move_model(added.id, registry::Lifecycle::kReady, "every tensor was read and checked")
          .status());
  return catalogue->move_model(added.id, registry::Lifecycle::kPreferred, why_preferred);
}

}  // namespace panal::cli
