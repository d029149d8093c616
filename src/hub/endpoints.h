// What answers: a core and its experts under one name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/hive.h"
#include "registry/deployment.h"

namespace panal::hub {

struct DeployEndpoint {
  std::string name{};
  std::string core{};                  // Registered base model.
  std::vector<std::string> experts{};  // Registered adapters; each one's partition is in its
                                       // lineage.
  std::int64_t partitioning = 0;       // Whose topic model routes; 0: none.
};

/// Creates or replaces the endpoint and makes it the default. Errors: those of
/// Catalogue::put_deployment, kNotFound for what it names.
Result<registry::Deployment> deploy(Hive& hive, const DeployEndpoint& request);

/// Takes an endpoint down; its models stay.
Status undeploy(Hive& hive, const std::string& name);

/// By name.
Result<std::vector<registry::Deployment>> list_endpoints(Hive& hive);

}  // namespace panal::hub
