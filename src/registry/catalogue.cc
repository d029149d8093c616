#include "registry/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "registry/detail/rows.h"
#include "registry/detail/schema.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

Catalogue::Catalogue(store::FileSystem& files, const store::Home& home, Clock& clock,
                     store::Database database)
    : files_(files),
      home_(home),
      clock_(clock),
      blobs_(files, home.blobs),
      database_(std::move(database)) {}

Result<std::unique_ptr<Catalogue>> Catalogue::open(store::FileSystem& files,
                                                   const store::Home& home, Clock& clock) {
  store::DatabaseOptions options;
  options.vfs = files.sqlite_vfs();
  options.is_read_only = !store::is_writable(home);
  PANAL_ASSIGN(store::Database database, store::Database::open(home.database, options));
  PANAL_TRY(store::migrate(database, detail::catalogue_migrations()));
  // Not make_unique: the constructor is private.
  std::unique_ptr<Catalogue> catalogue(new Catalogue(files, home, clock, std::move(database)));
  if (options.is_read_only)
    return catalogue;  // Nothing to make, and jobs end for those who may write.
  PANAL_TRY(catalogue->blobs_.open());
  PANAL_ASSIGN(const std::int64_t num_ended, catalogue->end_orphaned_jobs());
  (void)num_ended;
  return catalogue;
}

Status Catalogue::check_blobs_exist(const std::vector<std::string>& hashes) {
  for (const auto& hash : hashes) PANAL_TRY(blobs_.path_of(hash).status());
  return Status();
}

Result<Catalogue::Garbage> Catalogue::remove_unreferenced_blobs(
    std::chrono::milliseconds minimum_age) {
  PANAL_ASSIGN(auto entries, blobs_.list());
  const std::int64_t newest_unix_ms = clock_.unix_ms() - minimum_age.count();
  std::erase_if(entries, [&](const auto& entry) { return entry.changed_unix_ms > newest_unix_ms; });
  return remove_unreferenced(entries);
}

Result<Catalogue::Garbage> Catalogue::remove_unreferenced(
    const std::vector<store::BlobStore::Entry>& candidates) {
  const MutexLock lock(mutex_);
  // Writers name their blobs inside such a transaction and look for them there: none can come to
  // rely on a blob between this look and its removal.
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(Statement reference,
               database_.prepare("SELECT 1 FROM blob_references WHERE blob = ? LIMIT 1"));
  Garbage garbage;
  for (const auto& entry : candidates) {
    PANAL_TRY(reference.bind(entry.hash));
    PANAL_ASSIGN(const bool is_referenced, reference.step());
    if (is_referenced) continue;
    const Status removed = blobs_.remove(entry.hash);
    if (removed.code() == Code::kNotFound) continue;  // Another process was faster.
    PANAL_TRY(removed);
    ++garbage.num_blobs;
    garbage.num_bytes += entry.num_bytes;
  }
  PANAL_TRY(reference.bind(""));  // Ends the read, so that the transaction can end.
  PANAL_TRY(transaction.commit());
  return garbage;
}

Result<std::vector<std::string>> Catalogue::verify_all() {
  std::map<std::string, std::string> owners;  // Blob -> the first thing that refers to it.
  {
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Statement rows, database_.query("SELECT blob, owner FROM blob_references"));
    PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
      owners.emplace(row.text(0), row.text(1));
      return Status();
    }));
  }
  std::vector<std::string> damage;
  for (const auto& [blob, owner] : owners) {
    const Status status = blobs_.verify(blob);
    if (!status.ok()) damage.push_back(owner + ": " + status.message());
  }
  return damage;
}

}  // namespace panal::registry
