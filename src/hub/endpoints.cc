#include "hub/endpoints.h"

#include <map>

namespace panal::hub {

Result<registry::Deployment> deploy(Hive& hive, const DeployEndpoint& request) {
  registry::Catalogue& catalogue = hive.catalogue();
  registry::NewDeployment made{.name = request.name, .core = request.core, .make_default = true};
  std::map<std::string, std::int64_t> numbers;
  if (request.partitioning > 0) {
    PANAL_ASSIGN(const auto partitioning, catalogue.find_partitioning(request.partitioning));
    made.topic_model_blob = partitioning.topic_model_blob;
    for (const auto& partition : partitioning.partitions)
      numbers[partition.label] = partition.number;
  }
  for (const std::string& name : request.experts) {
    PANAL_ASSIGN(const auto resolved, catalogue.resolve(name));
    const auto part = registry::learnt_partition(resolved.model.lineage);
    const std::string label = part ? part->label : resolved.model.name;
    registry::NewExpert expert{.model = resolved.model.label(), .label = label};
    if (const auto number = numbers.find(label); number != numbers.end())
      expert.partition = number->second;
    made.experts.push_back(std::move(expert));
  }
  return catalogue.put_deployment(made);
}

Status undeploy(Hive& hive, const std::string& name) {
  return hive.catalogue().remove_deployment(name);
}

Result<std::vector<registry::Deployment>> list_endpoints(Hive& hive) {
  return hive.catalogue().list_deployments();
}

}  // namespace panal::hub
