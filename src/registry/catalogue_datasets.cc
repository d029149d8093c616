// Datasets, and the partitionings that divide them.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "registry/catalogue.h"
#include "registry/detail/rows.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

namespace {

constexpr std::string_view kDatasetColumns =
    "SELECT id, name, version, blob, num_documents, num_bytes, licence, source, created_unix_ms, "
    "num_conversations FROM datasets ";

Dataset read_dataset(const Statement& row) {
  return Dataset{.id = row.integer(0),
                 .name = row.text(1),
                 .version = row.integer(2),
                 .blob = row.text(3),
                 .num_documents = static_cast<std::uint64_t>(row.integer(4)),
                 .num_conversations = static_cast<std::uint64_t>(row.integer(9)),
                 .num_bytes = static_cast<std::uint64_t>(row.integer(5)),
                 .licence = row.text(6),
                 .source = row.text(7),
                 .created_unix_ms = row.integer(8)};
}

/// A partitioning whose content lies in blobs and whose rows are still to be written.
struct StoredPartitioning {
  std::string partitioning_blob;
  std::string topic_model_blob;
  std::vector<std::vector<PartitionFile>> files;  // By partition, as given.
};

Result<StoredPartitioning> put_content(store::BlobStore& blobs,
                                       const NewPartitioning& partitioning) {
  StoredPartitioning stored;
  PANAL_ASSIGN(stored.partitioning_blob, blobs.put_bytes(partitioning.partitioning_json));
  PANAL_ASSIGN(stored.topic_model_blob, blobs.put_bytes(partitioning.topic_model_json));
  for (const auto& partition : partitioning.partitions) {
    auto& files = stored.files.emplace_back();
    for (const auto& [role, path] : partition.files) {
      PANAL_ASSIGN(std::string blob, blobs.put_file(path));
      PANAL_ASSIGN(const std::uint64_t num_bytes, blobs.num_bytes(blob));
      files.push_back({role, std::move(blob), num_bytes});
    }
  }
  return stored;
}

std::vector<std::string> hashes_of(const StoredPartitioning& stored) {
  std::vector<std::string> hashes = {stored.partitioning_blob, stored.topic_model_blob};
  for (const auto& files : stored.files) {
    for (const auto& file : files) hashes.push_back(file.blob);
  }
  return hashes;
}

Status check_partitions(const NewPartitioning& partitioning) {
  if (partitioning.partitions.empty()) {
    return Status(Code::kInvalidArgument,
                  "a partitioning needs at least one partition, found none");
  }
  std::set<std::int64_t> numbers;
  for (const auto& partition : partitioning.partitions) {
    if (!numbers.insert(partition.number).second) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("a partitioning's numbers must differ, found {} twice", partition.number));
    }
    if (partition.label.empty()) {
      return Status(Code::kInvalidArgument,
                    fmt::format("partition {} has no label", partition.number));
    }
  }
  return Status();
}

Status insert_partition(store::Database& database, std::int64_t partitioning_id,
                        const NewPartition& partition, const std::vector<PartitionFile>& files) {
  PANAL_TRY(database.run(
      "INSERT INTO partitions (partitioning_id, number, label, num_documents, details) "
      "VALUES (?, ?, ?, ?, ?)",
      partitioning_id, partition.number, partition.label, partition.num_documents,
      to_line(partition.details)));
  for (const auto& file : files) {
    PANAL_TRY(
        database.run("INSERT INTO partition_files (partitioning_id, number, role, blob, num_bytes) "
                     "VALUES (?, ?, ?, ?, ?)",
                     partitioning_id, partition.number, file.role, file.blob, file.num_bytes));
  }
  return Status();
}

}  // namespace

std::string_view Dataset::kind() const {
  if (num_conversations == 0) return "text";
  return num_conversations == num_documents ? "chat" : "mixed";
}

Json to_json(const Dataset& dataset) {
  return Json{{"id", dataset.id},
              {"name", dataset.name},
              {"version", dataset.version},
              {"sha256", dataset.blob},
              {"kind", dataset.kind()},
              {"num_documents", dataset.num_documents},
              {"num_conversations", dataset.num_conversations},
              {"num_bytes", dataset.num_bytes},
              {"licence", dataset.licence},
              {"source", dataset.source},
              {"created_unix_ms", dataset.created_unix_ms}};
}

Json to_json(const Partitioning& partitioning) {
  Json partitions = Json::array();
  for (const auto& partition : partitioning.partitions) {
    Json files = Json::object();
    for (const auto& file : partition.files) {
      files[file.role] = Json{{"sha256", file.blob}, {"num_bytes", file.num_bytes}};
    }
    partitions.push_back(Json{{"number", partition.number},
                              {"label", partition.label},
                              {"num_documents", partition.num_documents},
                              {"files", std::move(files)},
                              {"details", partition.details}});
  }
  return Json{{"id", partitioning.id},
              {"dataset", partitioning.dataset.label()},
              {"partitioning_sha256", partitioning.partitioning_blob},
              {"topic_model_sha256", partitioning.topic_model_blob},
              {"created_unix_ms", partitioning.created_unix_ms},
              {"partitions", std::move(partitions)}};
}

Result<Dataset> Catalogue::load_dataset(std::int64_t id) {
  PANAL_ASSIGN(Statement row, database_.query(std::string(kDatasetColumns) + "WHERE id = ?", id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row)
    return Status(Code::kNotFound, fmt::format("there is no dataset version with the id {}", id));
  return read_dataset(row);
}

Result<Dataset> Catalogue::add_dataset(const NewDataset& dataset) {
  PANAL_TRY(check_name(dataset.name, "a dataset"));
  return detail::again_if_swept([&]() -> Result<Dataset> {
    PANAL_ASSIGN(const std::string blob, blobs_.put_file(dataset.file));
    return insert_dataset(dataset, blob);
  });
}

Result<Dataset> Catalogue::insert_dataset(const NewDataset& dataset, const std::string& blob) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(const std::uint64_t num_bytes, blobs_.num_bytes(blob));
  {
    PANAL_ASSIGN(Statement row, database_.query(std::string(kDatasetColumns) +
                                                    "WHERE name = ? ORDER BY version DESC LIMIT 1",
                                                dataset.name));
    PANAL_ASSIGN(const bool has_row, row.step());
    if (has_row) {
      const Dataset latest = read_dataset(row);
      if (latest.blob == blob && latest.licence == dataset.licence &&
          latest.source == dataset.source && latest.num_documents == dataset.num_documents &&
          latest.num_conversations == dataset.num_conversations) {
        return latest;
      }
    }
  }
  PANAL_ASSIGN(const std::int64_t version, next_version("datasets", "dataset", dataset.name));
  PANAL_TRY(database_.run(
      "INSERT INTO datasets (name, version, blob, num_documents, num_conversations, num_bytes, "
      "licence, source, created_unix_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      dataset.name, version, blob, dataset.num_documents, dataset.num_conversations, num_bytes,
      dataset.licence, dataset.source, clock_.unix_ms()));
  PANAL_ASSIGN(Dataset made, load_dataset(database_.last_inserted_id()));
  PANAL_TRY(transaction.commit());
  return made;
}

Result<Dataset> Catalogue::find_dataset(std::string_view text) {
  const MutexLock lock(mutex_);
  return dataset_of_reference(text);
}

Result<Dataset> Catalogue::dataset_of_reference(std::string_view text) {
  PANAL_ASSIGN(const detail::Reference reference, detail::parse_reference(text));
  PANAL_ASSIGN(Statement row, database_.query(std::string(kDatasetColumns) +
                                                  "WHERE name = ?1 AND (?2 IS NULL OR "
                                                  "version = ?2) ORDER BY version DESC LIMIT 1",
                                              reference.name, reference.version));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (has_row) return read_dataset(row);
  PANAL_TRY(detail::missing_version(database_, "dataset", "datasets", reference));
  return detail::unknown_name(database_, "dataset", "SELECT DISTINCT name FROM datasets",
                              reference.name);
}

Result<std::vector<Dataset>> Catalogue::list_datasets() {
  const MutexLock lock(mutex_);
  std::vector<Dataset> datasets;
  PANAL_ASSIGN(Statement rows,
               database_.query(std::string(kDatasetColumns) + "ORDER BY name, version"));
  PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
    datasets.push_back(read_dataset(row));
    return Status();
  }));
  return datasets;
}

Result<Partitioning> Catalogue::add_partitioning(const NewPartitioning& partitioning) {
  PANAL_TRY(check_partitions(partitioning));
  {
    const MutexLock lock(mutex_);
    PANAL_TRY(load_dataset(partitioning.dataset_id).status());
  }
  return detail::again_if_swept([&]() -> Result<Partitioning> {
    PANAL_ASSIGN(const StoredPartitioning stored, put_content(blobs_, partitioning));
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
    PANAL_TRY(check_blobs_exist(hashes_of(stored)));
    PANAL_TRY(
        database_.run("INSERT INTO partitionings (dataset_id, partitioning_blob, topic_model_blob, "
                      "created_unix_ms) VALUES (?, ?, ?, ?)",
                      partitioning.dataset_id, stored.partitioning_blob, stored.topic_model_blob,
                      clock_.unix_ms()));
    const std::int64_t id = database_.last_inserted_id();
    for (std::size_t i = 0; i < partitioning.partitions.size(); ++i) {
      PANAL_TRY(insert_partition(database_, id, partitioning.partitions[i], stored.files[i]));
    }
    PANAL_ASSIGN(Partitioning made, load_partitioning(id));
    PANAL_TRY(transaction.commit());
    return made;
  });
}

Result<Partitioning> Catalogue::load_partitioning(std::int64_t id) {
  Partitioning partitioning{.id = id};
  PANAL_ASSIGN(
      Statement head,
      database_.query("SELECT dataset_id, partitioning_blob, topic_model_blob, created_unix_ms "
                      "FROM partitionings WHERE id = ?",
                      id));
  PANAL_ASSIGN(const bool has_row, head.step());
  if (!has_row)
    return Status(Code::kNotFound, fmt::format("there is no partitioning with the id {}", id));
  PANAL_ASSIGN(partitioning.dataset, load_dataset(head.integer(0)));
  partitioning.partitioning_blob = head.text(1);
  partitioning.topic_model_blob = head.text(2);
  partitioning.created_unix_ms = head.integer(3);
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT number, label, num_documents, details FROM partitions "
                               "WHERE partitioning_id = ? ORDER BY number",
                               id));
  PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
    Partition partition{.number = row.integer(0),
                        .label = row.text(1),
                        .num_documents = static_cast<std::uint64_t>(row.integer(2))};
    PANAL_ASSIGN(partition.details, detail::json_column(row, 3, "a partition's details"));
    partitioning.partitions.push_back(std::move(partition));
    return Status();
  }));
  for (Partition& partition : partitioning.partitions) {
    PANAL_ASSIGN(Statement files,
                 database_.query("SELECT role, blob, num_bytes FROM partition_files WHERE "
                                 "partitioning_id = ? AND number = ? ORDER BY role",
                                 id, partition.number));
    PANAL_TRY(for_each_row(files, [&](const Statement& file) {
      partition.files.push_back(
          {file.text(0), file.text(1), static_cast<std::uint64_t>(file.integer(2))});
      return Status();
    }));
  }
  return partitioning;
}

Result<Partitioning> Catalogue::find_partitioning(std::int64_t id) {
  const MutexLock lock(mutex_);
  return load_partitioning(id);
}

Result<std::vector<Partitioning>> Catalogue::list_partitionings(std::int64_t dataset_id) {
  const MutexLock lock(mutex_);
  PANAL_TRY(load_dataset(dataset_id).status());
  return load_partitionings(dataset_id);
}

Result<std::vector<Partitioning>> Catalogue::load_partitionings(std::int64_t dataset_id) {
  std::vector<Partitioning> partitionings;
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT id FROM partitionings WHERE dataset_id = ? ORDER BY id DESC",
                               dataset_id));
  PANAL_ASSIGN(const auto ids, detail::integers(rows));
  for (const std::int64_t id : ids) {
    PANAL_ASSIGN(Partitioning partitioning, load_partitioning(id));
    partitionings.push_back(std::move(partitioning));
  }
  return partitionings;
}

}  // namespace panal::registry
