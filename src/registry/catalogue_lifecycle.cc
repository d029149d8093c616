// How far a version is trusted: checks are written down, and only they open the way from candidate
// to ready.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "registry/catalogue.h"
#include "registry/detail/rows.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

Result<Evaluation> Catalogue::record_evaluation(std::int64_t model_id,
                                                const Evaluation& evaluation) {
  if (evaluation.check.empty() || evaluation.metric.empty()) {
    return Status(Code::kInvalidArgument,
                  "an evaluation needs the name of its check and of its metric");
  }
  Evaluation stored = evaluation;
  if (stored.value && !std::isfinite(*stored.value)) stored.value.reset();
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_TRY(load_model(model_id).status());
  stored.created_unix_ms = clock_.unix_ms();
  PANAL_TRY(database_.run(
      "INSERT INTO evaluations (model_id, check_name, metric, value, passed, details, "
      "created_unix_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      model_id, stored.check, stored.metric, stored.value, stored.passed, to_line(stored.details),
      stored.created_unix_ms));
  stored.id = database_.last_inserted_id();
  PANAL_TRY(transaction.commit());
  return stored;
}

Result<std::vector<Evaluation>> Catalogue::list_evaluations(std::int64_t model_id) {
  const MutexLock lock(mutex_);
  PANAL_TRY(load_model(model_id).status());
  PANAL_ASSIGN(
      Statement rows,
      database_.query("SELECT id, check_name, metric, value, passed, details, created_unix_ms "
                      "FROM evaluations WHERE model_id = ? ORDER BY id",
                      model_id));
  std::vector<Evaluation> evaluations;
  PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
    Evaluation evaluation{.id = row.integer(0), .check = row.text(1), .metric = row.text(2)};
    if (!row.is_null(3)) evaluation.value = row.number(3);
    if (!row.is_null(4)) evaluation.passed = row.integer(4) != 0;
    PANAL_ASSIGN(evaluation.details, detail::json_column(row, 5, "an evaluation's details"));
    evaluation.created_unix_ms = row.integer(6);
    evaluations.push_back(std::move(evaluation));
    return Status();
  }));
  return evaluations;
}

Result<std::vector<Transition>> Catalogue::history(std::int64_t model_id) {
  const MutexLock lock(mutex_);
  PANAL_TRY(load_model(model_id).status());
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT from_state, to_state, reason, at_unix_ms FROM transitions "
                               "WHERE model_id = ? ORDER BY id",
                               model_id));
  std::vector<Transition> transitions;
  PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
    Transition transition{.reason = row.text(2), .at_unix_ms = row.integer(3)};
    PANAL_ASSIGN(transition.from, lifecycle_from_name(row.text(0)));
    PANAL_ASSIGN(transition.to, lifecycle_from_name(row.text(1)));
    transitions.push_back(std::move(transition));
    return Status();
  }));
  return transitions;
}

Status Catalogue::write_transition(std::int64_t model_id, Lifecycle from, Lifecycle to,
                                   std::string_view reason) {
  return database_.run(
      "INSERT INTO transitions (model_id, from_state, to_state, reason, at_unix_ms) "
      "VALUES (?, ?, ?, ?, ?)",
      model_id, lifecycle_name(from), lifecycle_name(to), reason, clock_.unix_ms());
}

Status Catalogue::check_may_be_ready(const ModelVersion& model) {
  // The latest outcome of each check and metric, failed ones first.
  PANAL_ASSIGN(
      Statement row,
      database_.query(
          "SELECT check_name, metric, passed FROM evaluations WHERE id IN (SELECT max(id) FROM "
          "evaluations WHERE model_id = ? AND passed IS NOT NULL GROUP BY check_name, metric) "
          "ORDER BY passed, id LIMIT 1",
          model.id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row) {
    return Status(
        Code::kConflict,
        fmt::format("{} cannot become ready: no passed check is recorded; evaluate it first",
                    model.label()));
  }
  if (row.integer(2) != 0) return Status();
  return Status(Code::kConflict, fmt::format("{} cannot become ready: its check \"{}\" ({}) failed",
                                             model.label(), row.text(0), row.text(1)));
}

Status Catalogue::check_not_deployed(const ModelVersion& model) {
  PANAL_ASSIGN(Statement row,
               database_.query(
                   "SELECT name FROM deployments d WHERE core_id = ?1 OR EXISTS (SELECT 1 FROM "
                   "deployment_experts e WHERE e.deployment_id = d.id AND e.model_id = ?1) LIMIT 1",
                   model.id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row) return Status();
  return Status(Code::kConflict, fmt::format("{} cannot be retired: deployment \"{}\" uses it",
                                             model.label(), row.text(0)));
}

Result<ModelVersion> Catalogue::move_model(std::int64_t model_id, Lifecycle to,
                                           std::string_view reason) {
  if (reason.empty())
    return Status(Code::kInvalidArgument, "a change of a model's state needs a reason");
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(ModelVersion model, load_model(model_id));
  if (!is_legal_transition(model.state, to)) {
    return Status(Code::kConflict, fmt::format("{} is {}: it cannot become {}", model.label(),
                                               lifecycle_name(model.state), lifecycle_name(to)));
  }
  if (model.state == Lifecycle::kCandidate && to == Lifecycle::kReady)
    PANAL_TRY(check_may_be_ready(model));
  if (to == Lifecycle::kRetired) PANAL_TRY(check_not_deployed(model));
  if (to == Lifecycle::kPreferred) {
    PANAL_ASSIGN(Statement row,
                 database_.query("SELECT id FROM models WHERE name = ? AND state = 'preferred'",
                                 model.name));
    PANAL_ASSIGN(const bool has_row, row.step());
    if (has_row) {
      const std::int64_t earlier = row.integer(0);
      PANAL_TRY(database_.run("UPDATE models SET state = 'ready' WHERE id = ?", earlier));
      PANAL_TRY(write_transition(earlier, Lifecycle::kPreferred, Lifecycle::kReady,
                                 fmt::format("{} took its place: {}", model.label(), reason)));
    }
  }
  PANAL_TRY(
      database_.run("UPDATE models SET state = ? WHERE id = ?", lifecycle_name(to), model_id));
  PANAL_TRY(write_transition(model_id, model.state, to, reason));
  PANAL_TRY(transaction.commit());
  model.state = to;
  return model;
}

}  // namespace panal::registry
