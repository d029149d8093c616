// The models of a hive: what there is, where it comes from, whether it is whole, how far it is
// trusted.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"
#include "registry/removal.h"

namespace panal::hub {

struct ListedModel {
  registry::ModelVersion model{};
  /// What answers to the model's name instead of the model: "the endpoint \"bee\" (core wasp@1)".
  /// Names are refused when they are taken; a home that is older than this rule may have such a
  /// clash. Empty: no clash.
  std::string shadowed_by{};
};
Json to_json(const ListedModel& listed);

/// By name, then version.
Result<std::vector<ListedModel>> list_models(Hive& hive);

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

struct RemoveModel {
  std::string model{};  // NAME: all its versions. NAME@VERSION: that one.
  registry::RemovalOptions options{};
};
/// Errors: those of Catalogue::remove_model.
Result<registry::Removal> remove_model(Hive& hive, const RemoveModel& request);

}  // namespace panal::hub
