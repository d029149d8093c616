// Models and datasets leave: first what refers to them is looked at and their rows go, in one
// transaction; then their content, which nothing names any more. A crash in between leaves content
// too much, never too little, and the next removal takes it away.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "registry/catalogue.h"
#include "registry/detail/rows.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

namespace {

// "…/bee/1" is not meant where "…/bee/12" stands.
bool mentions(std::string_view text, std::string_view part) {
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    const std::size_t end = at + part.size();
    if (end == text.size() || std::isdigit(static_cast<unsigned char>(text[end])) == 0) return true;
  }
  return false;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Json to_json(const Removal& removal) {
  return Json{{"removed", removal.removed},         {"dependents", removal.dependents},
              {"refused_by", removal.refused_by},   {"named_by", removal.named_by},
              {"freed_bytes", removal.freed_bytes}, {"is_done", removal.is_done}};
}

Status check_allowed(const Removal& removal, const RemovalOptions& options) {
  if (!removal.refused_by.empty()) {
    return Status(Code::kConflict,
                  fmt::format("nothing was removed: {}", fmt::join(removal.refused_by, "; ")));
  }
  if (removal.dependents.empty() || options.force) return Status();
  return Status(Code::kConflict,
                fmt::format("nothing was removed; with {} this goes too, by force only: {}",
                            fmt::join(removal.removed, ", "), fmt::join(removal.dependents, ", ")));
}

Result<std::int64_t> Catalogue::next_version(std::string_view table, std::string_view subject,
                                             std::string_view name) {
  PANAL_ASSIGN(
      Statement row,
      database_.query(
          fmt::format("SELECT max(coalesce((SELECT max(version) FROM {} WHERE name = ?1), 0), "
                      "coalesce((SELECT last_version FROM removed_versions WHERE subject = ?2 AND "
                      "name = ?1), 0)) + 1",
                      table),
          name, subject));
  PANAL_TRY(row.step().status());
  return row.integer(0);
}

Status Catalogue::keep_version_number(std::string_view subject, std::string_view name,
                                      std::int64_t version) {
  return database_.run(
      "INSERT INTO removed_versions (subject, name, last_version) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (subject, name) DO UPDATE SET last_version = max(last_version, ?3)",
      subject, name, version);
}

Result<std::vector<ModelVersion>> Catalogue::versions_of_model(std::string_view text) {
  PANAL_ASSIGN(const detail::Reference reference, detail::parse_reference(text));
  PANAL_ASSIGN(auto models, load_models());
  std::erase_if(models, [&](const ModelVersion& model) {
    return model.name != reference.name ||
           model.version != reference.version.value_or(model.version);
  });
  if (models.empty()) return resolve_locked(text).status();  // Says why there is none.
  return models;
}

// The endpoints and jobs that stand on these versions, and what learnt from them and stays.
Status Catalogue::find_uses(const std::vector<ModelVersion>& models, Removal& removal) {
  std::vector<std::string> folders;
  for (const auto& model : models) {
    folders.push_back((home_.models / model.name / std::to_string(model.version)).string());
    PANAL_ASSIGN(Statement rows,
                 database_.query(
                     "SELECT name FROM deployments d WHERE core_id = ?1 OR EXISTS (SELECT 1 FROM "
                     "deployment_experts e WHERE e.deployment_id = d.id AND e.model_id = ?1) "
                     "ORDER BY name",
                     model.id));
    PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
      removal.refused_by.push_back(
          fmt::format("the endpoint \"{}\" answers with {} (panal deploy --remove {})", row.text(0),
                      model.label(), row.text(0)));
      return Status();
    }));
  }
  return find_jobs_on(folders, removal);
}

Status Catalogue::find_jobs_on(const std::vector<std::string>& texts, Removal& removal) {
  PANAL_ASSIGN(Statement rows, database_.query("SELECT id, state, spec FROM jobs WHERE state IN "
                                               "('queued', 'running') ORDER BY created_unix_ms"));
  return for_each_row(rows, [&](const Statement& row) {
    const std::string spec = row.text(2);
    if (std::ranges::any_of(texts, [&](const auto& text) { return mentions(spec, text); })) {
      removal.refused_by.push_back(
          fmt::format("the job {}, which is {}, works with it (panal jobs "
                      "cancel {})",
                      row.text(0), row.text(1), row.text(0)));
    }
    return Status();
  });
}

Status Catalogue::erase_model(const ModelVersion& model) {
  for (const char* table : {"model_files", "evaluations", "transitions"}) {
    PANAL_TRY(database_.run(fmt::format("DELETE FROM {} WHERE model_id = ?", table), model.id));
  }
  PANAL_TRY(database_.run("DELETE FROM models WHERE id = ?", model.id));
  PANAL_TRY(keep_version_number("model", model.name, model.version));
  return database_.run(
      "DELETE FROM model_names WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM models WHERE name = "
      "?1)",
      model.name);
}

Result<std::uint64_t> Catalogue::bytes_only_of(const OwnedBlobs& blobs) {
  std::uint64_t sum = 0;
  for (const auto& [blob, count] : blobs) {
    PANAL_ASSIGN(Statement row,
                 database_.query("SELECT count(*) FROM blob_references WHERE blob = ?", blob));
    PANAL_TRY(row.step().status());
    const auto num_bytes = blobs_.num_bytes(blob);
    if (row.integer(0) <= count && num_bytes.ok()) sum += *num_bytes;
  }
  return sum;
}

Result<Removal> Catalogue::remove_model(std::string_view reference, const RemovalOptions& options) {
  Removal removal;
  OwnedBlobs blobs;
  {
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
    PANAL_ASSIGN(std::vector<ModelVersion> going, versions_of_model(reference));
    std::set<std::string> labels;
    for (const auto& model : going) {
      labels.insert(model.label());
      removal.removed.push_back("model " + model.label());
    }
    PANAL_ASSIGN(const auto all, load_models());
    for (const auto& model : all) {
      if (!labels.contains(model.lineage.parent) || labels.contains(model.label())) continue;
      if (model.kind == ModelKind::kBase) {
        removal.named_by.push_back(model.label());
        continue;
      }
      removal.dependents.push_back(
          fmt::format("expert {} over {}", model.label(), model.lineage.parent));
      going.push_back(model);
    }
    for (const auto& model : going) {
      for (const auto& file : model.files) ++blobs[file.blob];
    }
    PANAL_TRY(find_uses(going, removal));
    PANAL_ASSIGN(removal.freed_bytes, bytes_only_of(blobs));
    if (options.dry_run) return removal;
    PANAL_TRY(check_allowed(removal, options));
    for (const auto& model : going) PANAL_TRY(erase_model(model));
    PANAL_TRY(transaction.commit());
  }
  removal.is_done = true;
  PANAL_TRY(remove_folders_of_removed_models());
  PANAL_TRY(remove_content(blobs));
  return removal;
}

Status Catalogue::remove_content(const OwnedBlobs& blobs) {
  std::vector<store::BlobStore::Entry> candidates;
  for (const auto& [blob, count] : blobs) candidates.push_back({.hash = blob});
  PANAL_TRY(remove_unreferenced(candidates).status());
  // What earlier crashes left, too.
  return remove_unreferenced_blobs().status();
}

// Folders of materialise() hold their bytes by hard links: without this nothing would be freed.
// Only a version that is known to be removed is taken away; its number never comes back.
Status Catalogue::remove_folders_of_removed_models() {
  std::vector<std::pair<std::string, std::int64_t>> names;
  {
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Statement rows, database_.query("SELECT name, last_version FROM removed_versions "
                                                 "WHERE subject = 'model'"));
    PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
      names.emplace_back(row.text(0), row.integer(1));
      return Status();
    }));
  }
  for (const auto& [name, last_version] : names) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(home_.models / name, ignored)) {
      const std::string version = entry.path().filename().string();
      if (!is_number(version) || version.size() > 18 || std::stoll(version) > last_version)
        continue;
      {
        const MutexLock lock(mutex_);
        PANAL_ASSIGN(Statement row,
                     database_.query("SELECT 1 FROM models WHERE name = ? AND version = ?", name,
                                     std::stoll(version)));
        PANAL_ASSIGN(const bool is_there, row.step());
        if (is_there) continue;
      }
      for (const auto& file : std::filesystem::directory_iterator(entry.path(), ignored)) {
        const Status removed = files_.remove(file.path());
        if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
      }
      const Status removed = files_.remove(entry.path());
      if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
    }
    (void)files_.remove(home_.models / name);  // Stays while it holds another version.
  }
  return Status();
}

Result<std::vector<Dataset>> Catalogue::versions_of_dataset(std::string_view text) {
  PANAL_ASSIGN(const detail::Reference reference, detail::parse_reference(text));
  std::vector<Dataset> datasets;
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT id FROM datasets WHERE name = ?1 AND (?2 IS NULL OR version "
                               "= ?2) ORDER BY version",
                               reference.name, reference.version));
  PANAL_ASSIGN(const auto ids, detail::integers(rows));
  for (const std::int64_t id : ids) {
    PANAL_ASSIGN(Dataset dataset, load_dataset(id));
    datasets.push_back(std::move(dataset));
  }
  if (datasets.empty()) return dataset_of_reference(text).status();  // Says why there is none.
  return datasets;
}

Status Catalogue::erase_partitionings(std::int64_t dataset_id) {
  constexpr std::string_view kOfDataset =
      "partitioning_id IN (SELECT id FROM partitionings WHERE dataset_id = ?)";
  for (const char* table : {"partition_files", "partitions"}) {
    PANAL_TRY(database_.run(fmt::format("DELETE FROM {} WHERE {}", table, kOfDataset), dataset_id));
  }
  return database_.run("DELETE FROM partitionings WHERE dataset_id = ?", dataset_id);
}

Result<Removal> Catalogue::remove_dataset(std::string_view reference,
                                          const RemovalOptions& options) {
  Removal removal;
  OwnedBlobs blobs;
  {
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
    PANAL_ASSIGN(const std::vector<Dataset> going, versions_of_dataset(reference));
    std::set<std::int64_t> partitionings;
    for (const auto& dataset : going) {
      removal.removed.push_back("dataset " + dataset.label());
      ++blobs[dataset.blob];
      PANAL_ASSIGN(const auto divided, load_partitionings(dataset.id));
      for (const auto& partitioning : divided) {
        partitionings.insert(partitioning.id);
        removal.dependents.push_back(
            fmt::format("partitioning {} of {}", partitioning.id, dataset.label()));
        ++blobs[partitioning.partitioning_blob];
        ++blobs[partitioning.topic_model_blob];
        for (const auto& partition : partitioning.partitions) {
          for (const auto& file : partition.files) ++blobs[file.blob];
        }
      }
    }
    PANAL_ASSIGN(const auto models, load_models());
    for (const auto& model : models) {
      const auto part = learnt_partition(model.lineage);
      const bool learnt_it = blobs.contains(model.lineage.dataset_sha256) ||
                             (part && partitionings.contains(part->partitioning));
      if (learnt_it) removal.named_by.push_back(model.label());
    }
    std::vector<std::string> hashes;
    for (const auto& [blob, count] : blobs) hashes.push_back(blob);
    PANAL_TRY(find_jobs_on(hashes, removal));
    PANAL_ASSIGN(removal.freed_bytes, bytes_only_of(blobs));
    if (options.dry_run) return removal;
    PANAL_TRY(check_allowed(removal, options));
    for (const auto& dataset : going) {
      PANAL_TRY(erase_partitionings(dataset.id));
      PANAL_TRY(database_.run("DELETE FROM datasets WHERE id = ?", dataset.id));
      PANAL_TRY(keep_version_number("dataset", dataset.name, dataset.version));
    }
    PANAL_TRY(transaction.commit());
  }
  removal.is_done = true;
  PANAL_TRY(remove_content(blobs));
  return removal;
}

}  // namespace panal::registry
