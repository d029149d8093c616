#include "hub/models.h"

#include <fmt/format.h>

#include <map>

namespace panal::hub {

Json to_json(const ListedModel& listed) {
  Json json = registry::to_json(listed.model);
  if (!listed.shadowed_by.empty()) json["shadowed_by"] = listed.shadowed_by;
  return json;
}

Result<std::vector<ListedModel>> list_models(Hive& hive) {
  PANAL_ASSIGN(const auto models, hive.catalogue().list_models());
  PANAL_ASSIGN(const auto endpoints, hive.catalogue().list_deployments());
  std::map<std::string, std::string> shadows;
  for (const auto& endpoint : endpoints) {
    const std::string who =
        fmt::format("the endpoint \"{}\" (core {})", endpoint.name, endpoint.core.label());
    shadows[endpoint.name] = who;
    if (endpoint.is_default) shadows["auto"] = who + ", which is the default";
  }
  std::vector<ListedModel> listed;
  for (const auto& model : models) listed.push_back({model, shadows[model.name]});
  return listed;
}

Json to_json(const ModelHistory& history) {
  Json document = registry::to_json(history.resolved.model);
  document["why"] = history.resolved.why;
  document["evaluations"] = Json::array();
  for (const auto& evaluation : history.evaluations)
    document["evaluations"].push_back(registry::to_json(evaluation));
  document["history"] = Json::array();
  for (const auto& step : history.transitions) {
    document["history"].push_back({{"from", registry::lifecycle_name(step.from)},
                                   {"to", registry::lifecycle_name(step.to)},
                                   {"reason", step.reason},
                                   {"at", iso_time(step.at_unix_ms)}});
  }
  return document;
}

Result<ModelHistory> show_model(Hive& hive, const std::string& reference) {
  ModelHistory history;
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(history.resolved, catalogue.resolve(reference));
  const std::int64_t id = history.resolved.model.id;
  PANAL_ASSIGN(history.evaluations, catalogue.list_evaluations(id));
  PANAL_ASSIGN(history.transitions, catalogue.history(id));
  return history;
}

Result<std::vector<std::string>> verify_files(Hive& hive) { return hive.catalogue().verify_all(); }

Result<registry::ModelVersion> promote_model(Hive& hive, const PromoteModel& request) {
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(const auto to, registry::lifecycle_from_name(request.state));
  PANAL_ASSIGN(const auto resolved, catalogue.resolve(request.model));
  return catalogue.move_model(resolved.model.id, to, request.reason);
}

Result<registry::Removal> remove_model(Hive& hive, const RemoveModel& request) {
  return hive.catalogue().remove_model(request.model, request.options);
}

}  // namespace panal::hub
