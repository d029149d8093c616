// Deployments: endpoints that are replaced as a whole, so that no request ever meets half a group.
#include <fmt/format.h>

#include <set>

#include "registry/catalogue.h"
#include "registry/detail/rows.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

namespace {

std::string_view with_article(ModelKind kind) {
  return kind == ModelKind::kBase ? "a base" : "an adapter";
}

Status check_deployable(const ModelVersion& model, ModelKind wanted, std::string_view role) {
  if (model.kind != wanted) {
    return Status(Code::kConflict,
                  fmt::format("{} must be {} model, but {} is {} model", role, with_article(wanted),
                              model.label(), with_article(model.kind)));
  }
  if (model.state == Lifecycle::kRetired) {
    return Status(Code::kConflict,
                  fmt::format("{} cannot be deployed: it is retired", model.label()));
  }
  return Status();
}

Status check_expert(const Expert& expert, const ModelVersion& core) {
  PANAL_TRY(check_deployable(expert.model, ModelKind::kAdapter, "expert \"" + expert.label + "\""));
  const std::string& parent = expert.model.lineage.parent;
  if (parent.empty() || parent == core.label()) return Status();
  return Status(Code::kConflict,
                fmt::format("expert {} was trained on {}; it does not fit the core {}",
                            expert.model.label(), parent, core.label()));
}

Status check_labels(const NewDeployment& deployment) {
  std::set<std::string> labels;
  std::set<std::int64_t> partitions;
  for (const auto& expert : deployment.experts) {
    if (expert.label.empty() || !labels.insert(expert.label).second) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("the experts of \"{}\" need labels that differ, found \"{}\" {}",
                      deployment.name, expert.label, expert.label.empty() ? "" : "twice"));
    }
    if (expert.partition && !partitions.insert(*expert.partition).second) {
      return Status(Code::kInvalidArgument,
                    fmt::format("two experts of \"{}\" answer for partition {}", deployment.name,
                                *expert.partition));
    }
  }
  return Status();
}

}  // namespace

Json to_json(const Deployment& deployment) {
  Json experts = Json::array();
  for (const auto& expert : deployment.experts) {
    experts.push_back(Json{{"model", expert.model.label()},
                           {"label", expert.label},
                           {"partition", expert.partition ? Json(*expert.partition) : Json()}});
  }
  return Json{{"name", deployment.name},
              {"core", deployment.core.label()},
              {"experts", std::move(experts)},
              {"topic_model_sha256", deployment.topic_model_blob},
              {"is_default", deployment.is_default},
              {"revision", deployment.revision},
              {"created_unix_ms", deployment.created_unix_ms},
              {"updated_unix_ms", deployment.updated_unix_ms}};
}

Result<Deployment> Catalogue::put_deployment(const NewDeployment& deployment) {
  PANAL_TRY(check_endpoint_name(deployment.name));
  PANAL_TRY(check_labels(deployment));
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_TRY(name_is_free_locked(deployment.name, NameUse::kEndpoint));
  PANAL_ASSIGN(const Resolved core, resolve_locked(deployment.core));
  PANAL_TRY(
      check_deployable(core.model, ModelKind::kBase, "the core of \"" + deployment.name + "\""));
  std::vector<Expert> experts;
  for (const auto& expert : deployment.experts) {
    PANAL_ASSIGN(Resolved resolved, resolve_locked(expert.model));
    experts.push_back({std::move(resolved.model), expert.label, expert.partition});
    PANAL_TRY(check_expert(experts.back(), core.model));
  }
  if (!deployment.topic_model_blob.empty())
    PANAL_TRY(check_blobs_exist({deployment.topic_model_blob}));

  const std::int64_t now = clock_.unix_ms();
  PANAL_TRY(database_.run(
      "INSERT INTO deployments (name, core_id, topic_model_blob, is_default, revision, "
      "created_unix_ms, "
      "updated_unix_ms) VALUES (?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM deployments), 1, ?4, ?4) "
      "ON CONFLICT (name) DO UPDATE SET core_id = ?2, topic_model_blob = ?3, revision = revision + "
      "1, "
      "updated_unix_ms = ?4",
      deployment.name, core.model.id, deployment.topic_model_blob, now));
  PANAL_ASSIGN(const std::int64_t id, deployment_id(deployment.name));
  if (deployment.make_default) {
    PANAL_TRY(database_.run("UPDATE deployments SET is_default = 0 WHERE is_default = 1"));
    PANAL_TRY(database_.run("UPDATE deployments SET is_default = 1 WHERE id = ?", id));
  }
  PANAL_TRY(database_.run("DELETE FROM deployment_experts WHERE deployment_id = ?", id));
  for (std::size_t i = 0; i < experts.size(); ++i) {
    PANAL_TRY(database_.run(
        "INSERT INTO deployment_experts (deployment_id, position, model_id, label, partition) "
        "VALUES (?, ?, ?, ?, ?)",
        id, i, experts[i].model.id, experts[i].label, experts[i].partition));
  }
  PANAL_ASSIGN(Deployment made, load_deployment(id));
  PANAL_TRY(transaction.commit());
  return made;
}

Result<std::int64_t> Catalogue::deployment_id(std::string_view name) {
  PANAL_ASSIGN(Statement row, database_.query("SELECT id FROM deployments WHERE name = ?", name));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (has_row) return row.integer(0);
  return detail::unknown_name(database_, "endpoint", "SELECT name FROM deployments", name);
}

Result<Deployment> Catalogue::load_deployment(std::int64_t id) {
  PANAL_ASSIGN(Statement row,
               database_.query(
                   "SELECT name, core_id, topic_model_blob, is_default, revision, created_unix_ms, "
                   "updated_unix_ms FROM deployments WHERE id = ?",
                   id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row)
    return Status(Code::kNotFound, fmt::format("there is no deployment with the id {}", id));
  Deployment deployment{.id = id, .name = row.text(0)};
  PANAL_ASSIGN(deployment.core, load_model(row.integer(1)));
  deployment.topic_model_blob = row.text(2);
  deployment.is_default = row.integer(3) != 0;
  deployment.revision = row.integer(4);
  deployment.created_unix_ms = row.integer(5);
  deployment.updated_unix_ms = row.integer(6);
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT model_id, label, partition FROM deployment_experts "
                               "WHERE deployment_id = ? ORDER BY position",
                               id));
  std::vector<std::int64_t> models;
  PANAL_TRY(for_each_row(rows, [&](const Statement& expert_row) {
    models.push_back(expert_row.integer(0));
    Expert expert{.label = expert_row.text(1)};
    if (!expert_row.is_null(2)) expert.partition = expert_row.integer(2);
    deployment.experts.push_back(std::move(expert));
    return Status();
  }));
  for (std::size_t i = 0; i < models.size(); ++i) {
    PANAL_ASSIGN(deployment.experts[i].model, load_model(models[i]));
  }
  return deployment;
}

Result<Deployment> Catalogue::find_deployment(std::string_view name) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(store::ReadSnapshot snapshot, store::ReadSnapshot::begin(database_));
  PANAL_ASSIGN(const std::int64_t id, deployment_id(name));
  return load_deployment(id);
}

Result<Deployment> Catalogue::default_deployment() {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(store::ReadSnapshot snapshot, store::ReadSnapshot::begin(database_));
  PANAL_ASSIGN(Statement row, database_.query("SELECT id FROM deployments WHERE is_default = 1"));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (has_row) return load_deployment(row.integer(0));
  PANAL_ASSIGN(Statement any, database_.query("SELECT count(*) FROM deployments"));
  PANAL_TRY(any.step().status());
  return Status(Code::kNotFound,
                any.integer(0) == 0
                    ? "nothing is deployed yet"
                    : "no endpoint is the default; name one, or make one the default");
}

Result<std::vector<Deployment>> Catalogue::list_deployments() {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(store::ReadSnapshot snapshot, store::ReadSnapshot::begin(database_));
  std::vector<Deployment> deployments;
  PANAL_ASSIGN(Statement rows, database_.query("SELECT id FROM deployments ORDER BY name"));
  PANAL_ASSIGN(const auto ids, detail::integers(rows));
  for (const std::int64_t id : ids) {
    PANAL_ASSIGN(Deployment deployment, load_deployment(id));
    deployments.push_back(std::move(deployment));
  }
  return deployments;
}

Status Catalogue::make_default(std::string_view name) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(const std::int64_t id, deployment_id(name));
  PANAL_TRY(database_.run("UPDATE deployments SET is_default = 0 WHERE is_default = 1"));
  PANAL_TRY(database_.run("UPDATE deployments SET is_default = 1 WHERE id = ?", id));
  return transaction.commit();
}

Status Catalogue::remove_deployment(std::string_view name) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(const std::int64_t id, deployment_id(name));
  PANAL_TRY(database_.run("DELETE FROM deployments WHERE id = ?", id));
  PANAL_TRY(database_.run(
      "UPDATE deployments SET is_default = 1 WHERE (SELECT count(*) FROM deployments) = 1"));
  return transaction.commit();
}

}  // namespace panal::registry
