// Models: registering versions, finding them, and what references mean. Their lifecycle has its own
// file.
#include <fmt/format.h>

#include <algorithm>

#include "registry/catalogue.h"
#include "registry/detail/rows.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

namespace {

constexpr std::string_view kModelColumns =
    "SELECT m.id, n.kind, m.name, m.version, m.state, m.created_unix_ms, m.architecture, m.lineage "
    "FROM models m JOIN model_names n ON n.name = m.name ";

bool has_same_files(const std::vector<ModelFile>& a, const std::vector<ModelFile>& b) {
  return std::ranges::equal(a, b, [](const ModelFile& x, const ModelFile& y) {
    return x.name == y.name && x.blob == y.blob;
  });
}

std::vector<std::string> hashes_of(const std::vector<ModelFile>& files) {
  std::vector<std::string> hashes;
  for (const auto& file : files) hashes.push_back(file.blob);
  return hashes;
}

}  // namespace

Result<ModelVersion> Catalogue::read_model(Statement& row) {
  ModelVersion model;
  model.id = row.integer(0);
  model.kind = row.text(1) == "base" ? ModelKind::kBase : ModelKind::kAdapter;
  model.name = row.text(2);
  model.version = row.integer(3);
  PANAL_ASSIGN(model.state, lifecycle_from_name(row.text(4)));
  model.created_unix_ms = row.integer(5);
  PANAL_ASSIGN(model.architecture, detail::json_column(row, 6, model.label() + ", architecture"));
  PANAL_ASSIGN(const Json lineage, detail::json_column(row, 7, model.label() + ", lineage"));
  model.lineage = lineage_from_json(lineage);
  PANAL_ASSIGN(Statement files,
               database_.query(
                   "SELECT name, blob, num_bytes FROM model_files WHERE model_id = ? ORDER BY name",
                   model.id));
  PANAL_TRY(for_each_row(files, [&](const Statement& file) {
    model.files.push_back(
        {file.text(0), file.text(1), static_cast<std::uint64_t>(file.integer(2))});
    return Status();
  }));
  return model;
}

Result<ModelVersion> Catalogue::load_model(std::int64_t id) {
  PANAL_ASSIGN(Statement row, database_.query(std::string(kModelColumns) + "WHERE m.id = ?", id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row)
    return Status(Code::kNotFound, fmt::format("there is no model version with the id {}", id));
  return read_model(row);
}

Result<ModelVersion> Catalogue::find_model(std::int64_t id) {
  const MutexLock lock(mutex_);
  return load_model(id);
}

Result<std::vector<ModelVersion>> Catalogue::list_models() {
  const MutexLock lock(mutex_);
  return load_models();
}

Result<std::vector<ModelVersion>> Catalogue::load_models() {
  std::vector<ModelVersion> models;
  PANAL_ASSIGN(Statement rows,
               database_.query(std::string(kModelColumns) + "ORDER BY m.name, m.version"));
  for (;;) {
    PANAL_ASSIGN(const bool has_row, rows.step());
    if (!has_row) return models;
    PANAL_ASSIGN(ModelVersion model, read_model(rows));
    models.push_back(std::move(model));
  }
}

Result<ModelVersion> Catalogue::add_model(const NewModel& model) {
  PANAL_TRY(check_model_name(model.name, model.kind));
  if (model.files.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("model {} has no files: at least one is needed", model.name));
  }
  for (const auto& [name, path] : model.files) PANAL_TRY(check_file_name(name));
  return detail::again_if_swept([&]() -> Result<ModelVersion> {
    std::vector<ModelFile> files;
    for (const auto& [name, path] : model.files) {
      PANAL_ASSIGN(std::string blob, blobs_.put_file(path));
      PANAL_ASSIGN(const std::uint64_t num_bytes, blobs_.num_bytes(blob));
      files.push_back({name, std::move(blob), num_bytes});
    }
    return insert_model(model, files);
  });
}

Result<std::optional<ModelVersion>> Catalogue::identical_model(
    const NewModel& model, const std::vector<ModelFile>& files) {
  PANAL_ASSIGN(
      Statement rows,
      database_.query(
          std::string(kModelColumns) +
              "WHERE m.name = ? AND n.kind = ? AND m.state != 'retired' ORDER BY m.version DESC",
          model.name, kind_name(model.kind)));
  for (;;) {
    PANAL_ASSIGN(const bool has_row, rows.step());
    if (!has_row) return std::optional<ModelVersion>();
    PANAL_ASSIGN(ModelVersion found, read_model(rows));
    if (has_same_files(found.files, files)) return std::optional(std::move(found));
  }
}

Result<ModelVersion> Catalogue::insert_model(const NewModel& model,
                                             const std::vector<ModelFile>& files) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_TRY(check_blobs_exist(hashes_of(files)));
  if (model.reuse_identical) {
    PANAL_ASSIGN(std::optional<ModelVersion> found, identical_model(model, files));
    if (found) return std::move(*found);
  }
  PANAL_TRY(name_is_free_locked(
      model.name, model.kind == ModelKind::kBase ? NameUse::kBaseModel : NameUse::kAdapter));
  PANAL_TRY(database_.run("INSERT OR IGNORE INTO model_names (name, kind) VALUES (?, ?)",
                          model.name, kind_name(model.kind)));
  PANAL_ASSIGN(const std::int64_t version, next_version("models", "model", model.name));
  PANAL_TRY(database_.run(
      "INSERT INTO models (name, version, state, architecture, lineage, created_unix_ms) "
      "VALUES (?, ?, 'candidate', ?, ?, ?)",
      model.name, version, to_line(model.architecture), to_line(to_json(model.lineage)),
      clock_.unix_ms()));
  const std::int64_t id = database_.last_inserted_id();
  for (const auto& file : files) {
    PANAL_TRY(database_.run(
        "INSERT INTO model_files (model_id, name, blob, num_bytes) VALUES (?, ?, ?, ?)", id,
        file.name, file.blob, file.num_bytes));
  }
  PANAL_TRY(write_transition(id, Lifecycle::kCandidate, Lifecycle::kCandidate, "registered"));
  PANAL_ASSIGN(ModelVersion made, load_model(id));
  PANAL_TRY(transaction.commit());
  return made;
}

Result<Resolved> Catalogue::resolve(std::string_view reference) {
  const MutexLock lock(mutex_);
  return resolve_locked(reference);
}

Result<Resolved> Catalogue::resolve_locked(std::string_view text) {
  PANAL_ASSIGN(const detail::Reference reference, detail::parse_reference(text));
  if (!reference.version) return resolve_bare_name(reference.name);
  PANAL_ASSIGN(Statement row,
               database_.query(std::string(kModelColumns) + "WHERE m.name = ? AND m.version = ?",
                               reference.name, *reference.version));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (has_row) {
    PANAL_ASSIGN(ModelVersion model, read_model(row));
    return Resolved{std::move(model), fmt::format("version {} was asked for", *reference.version)};
  }
  // Either the name is unknown, and this says so, or the version is.
  PANAL_TRY(detail::missing_version(database_, "model", "models", reference));
  return resolve_bare_name(reference.name);
}

Result<Resolved> Catalogue::resolve_bare_name(const std::string& name) {
  PANAL_ASSIGN(
      Statement row,
      database_.query(
          std::string(kModelColumns) +
              "WHERE m.name = ? ORDER BY CASE m.state WHEN 'preferred' THEN 0 WHEN 'ready' THEN 1 "
              "WHEN 'candidate' THEN 2 ELSE 3 END, m.version DESC LIMIT 1",
          name));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row)
    return detail::unknown_name(database_, "model", "SELECT name FROM model_names", name);
  PANAL_ASSIGN(ModelVersion model, read_model(row));
  const std::int64_t version = model.version;
  switch (model.state) {
    case Lifecycle::kPreferred:
      return Resolved{std::move(model), fmt::format("version {} is preferred", version)};
    case Lifecycle::kReady:
      return Resolved{std::move(model), fmt::format("version {} is the latest ready one", version)};
    case Lifecycle::kCandidate:
      return Resolved{std::move(model),
                      fmt::format("version {} is the latest candidate; none is ready", version)};
    case Lifecycle::kRetired:
      break;
  }
  return Status(Code::kConflict,
                fmt::format("every version of model \"{}\" is retired; ask for one by number: {}",
                            name, model.label()));
}

}  // namespace panal::registry
