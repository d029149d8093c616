#include "hub/register_model.h"

namespace panal::hub {

Result<registry::ModelVersion> register_base_model(Hive& hive, registry::NewModel model,
                                                   const std::string& path,
                                                   std::string_view why_preferred,
                                                   const Watch& watch) {
  using registry::Lifecycle;
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(model.architecture, hive.run_job({.kind = "check",
                                                 .spec = Json{{"path", path}},
                                                 .activity = "checking every tensor"},
                                                watch));
  model.reuse_identical = true;
  PANAL_ASSIGN(const auto added, catalogue.add_model(model));
  if (added.state != Lifecycle::kCandidate) return added;
  const registry::Evaluation loads = {.check = "loads",
                                      .metric = "parameters",
                                      .value = model.architecture.value("parameters", 0.0),
                                      .passed = true};
  PANAL_TRY(catalogue.record_evaluation(added.id, loads).status());
  PANAL_TRY(catalogue.move_model(added.id, Lifecycle::kReady, "every tensor was read and checked")
                .status());
  return catalogue.move_model(added.id, Lifecycle::kPreferred, why_preferred);
}

}  // namespace panal::hub
