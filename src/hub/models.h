// The models of a hive: what there is, where it comes from, whether it is whole, how far it is
// trusted.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"

namespace panal::hub {

/// By name, then version.
Result<std::vector<registry::ModelVersion>> list_models(Hive& hive);

/// Everything written down about one version.
struct ModelHistory {
  registry::Resolved resolved{};
  std::vector<registry::Evaluation> evaluations{};  // Oldest first.
  std::vector<registry::Transition> transitions{};  // Oldest first.
};
Json to_json(const ModelHistory& history);

/// `reference`: NAME or NAME@VERSION. Errors: those of Catalogue::resolve.
Result<ModelHistory> show_model(Hive& hive, const std::string& reference);

/// Hashes every stored file again. Cost: reads all of them. Returns the damage, one sentence each:
/// empty is good.
Result<std::vector<std::string>> verify_files(Hive& hive);

struct PromoteModel {
  std::string model{};  // NAME or NAME@VERSION.
  std::string state{};  // "candidate", "ready", "preferred" or "retired".
  std::string reason{};
};
/// Moves a version along its lifecycle. Errors: those of Catalogue::move_model.
Result<registry::ModelVersion> promote_model(Hive& hive, const PromoteModel& request);

}  // namespace panal::hub
