#include "hub/register_model.h"

#include "work/check_jobs.h"

namespace panal::hub {

Result<registry::ModelVersion> register_base_model(Hive& hive, registry::NewModel model,
                                                   const std::string& path,
                                                   std::string_view why_preferred,
                                                   const Watch& watch) {
  PANAL_ASSIGN(const auto facts, hive.run_job(work::CheckModelJob{.model = path},
                                              {.activity = "checking every tensor"}, watch));
  model.architecture = work::to_json(facts);
  return register_checked(hive, std::move(model), facts.parameters,
                          "every tensor was read and checked", why_preferred);
}

Result<registry::ModelVersion> register_checked(Hive& hive, registry::NewModel model,
                                                std::int64_t parameters, std::string_view why_ready,
                                                std::string_view why_preferred) {
  using registry::Lifecycle;
  registry::Catalogue& catalogue = hive.catalogue();
  model.reuse_identical = true;
  PANAL_ASSIGN(const auto added, catalogue.add_model(model));
  if (added.state != Lifecycle::kCandidate) return added;
  const registry::Evaluation loads = {.check = "loads",
                                      .metric = "parameters",
                                      .value = static_cast<double>(parameters),
                                      .passed = true};
  PANAL_TRY(catalogue.record_evaluation(added.id, loads).status());
  PANAL_TRY(catalogue.move_model(added.id, Lifecycle::kReady, why_ready).status());
  return catalogue.move_model(added.id, Lifecycle::kPreferred, why_preferred);
}

}  // namespace panal::hub
