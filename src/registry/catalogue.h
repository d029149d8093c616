// The registry's one door: what is known about datasets, models, deployments and jobs of one home.
// Facts lie in SQLite, content in blobs. Content is always written first and then named by one
// short transaction, so that a crash at any moment leaves at most blobs that nobody refers to.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "registry/dataset.h"
#include "registry/deployment.h"
#include "registry/job.h"
#include "registry/model_version.h"
#include "registry/removal.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "store/file_system.h"
#include "store/home.h"

namespace panal::registry {

/// Thread-safe; any number of processes may have a catalogue on one home open. What a call has
/// acknowledged survives a crash and a power cut. A call that fails changes nothing but, at most,
/// unreferenced blobs.
///
/// Errors of every call: kUnavailable (the database stays busy or cannot be read),
/// kResourceExhausted (disk), kCorrupt (damaged), kNotFound (names what was asked for),
/// kInvalidArgument (a name or value breaks a rule), kConflict (the state forbids it: says which).
class Catalogue {
 public:
  /// Opens or makes the catalogue of `home`, brings its schema up to date, sweeps what dead
  /// processes left half written, and ends the jobs of dead processes. A home that
  /// this user cannot write is only read: calls that would write are kUnavailable. `files` and
  /// `clock` must outlive it. Errors: kUnsupported when a newer panal wrote it.
  static Result<std::unique_ptr<Catalogue>> open(store::FileSystem& files, const store::Home& home,
                                                 Clock& clock);
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  store::BlobStore& blobs() { return blobs_; }
  /// See store::Database::Stamp: tells without a query whether anything was written since.
  using Stamp = store::Database::Stamp;
  Stamp stamp() const { return store::Database::stamp_of(home_.database); }
  const store::Home& home() const { return home_; }

  // ---- Datasets (references: "NAME" is the latest version, "NAME@2" that one).

  /// Stores the file as the next version of the name. The same content, licence, source and number
  /// of documents as the latest version gives that one back.
  Result<Dataset> add_dataset(const NewDataset& dataset);
  Result<Dataset> find_dataset(std::string_view reference);
  /// By name, then version.
  Result<std::vector<Dataset>> list_datasets();
  Result<Partitioning> add_partitioning(const NewPartitioning& partitioning);
  Result<Partitioning> find_partitioning(std::int64_t id);
  /// Of one dataset version; newest first.
  Result<std::vector<Partitioning>> list_partitionings(std::int64_t dataset_id);

  // ---- Names. Models, experts and endpoints share one namespace, because all of them are what a
  // client writes as "model". add_model() and put_deployment() refuse a name that is taken,
  // whatever the order.

  /// What a name is wanted for.
  enum class NameUse { kBaseModel, kAdapter, kEndpoint };
  /// For asking before long work. A next version of a model has its name, as the replacement of an
  /// endpoint has. Errors: kInvalidArgument for a name that breaks a rule; kConflict says who has
  /// it.
  Status check_name_is_free(std::string_view name, NameUse use);

  /// Forgets a version, or all of a name; its partitionings go with it, by force only. Endpoints
  /// keep the topic model they route by. Errors: kConflict as for remove_model.
  Result<Removal> remove_dataset(std::string_view reference, const RemovalOptions& options = {});

  // ---- Models.

  /// Copies the files into blobs and registers the next version of the name as a candidate. A name
  /// keeps its kind. Errors: kConflict when the name is another's, see check_name_is_free.
  Result<ModelVersion> add_model(const NewModel& model);
  /// "NAME@3": that version. "NAME": the preferred one, else the latest ready one, else the latest
  /// candidate. Errors: kNotFound suggests a near name; kConflict when every version is retired.
  Result<Resolved> resolve(std::string_view reference);
  Result<ModelVersion> find_model(std::int64_t id);
  /// By name, then version.
  Result<std::vector<ModelVersion>> list_models();

  /// Writes a check's outcome down; a later one of the same check and metric counts instead of it.
  Result<Evaluation> record_evaluation(std::int64_t model_id, const Evaluation& evaluation);
  /// Oldest first.
  Result<std::vector<Evaluation>> list_evaluations(std::int64_t model_id);

  /// Moves a version along its lifecycle (see Lifecycle). To ready: at least one check must be
  /// recorded as passed, and the latest outcome of every check must not be failed. To preferred:
  /// the version that was preferred becomes ready in the same step. To retired: no deployment may
  /// use it. `reason` must not be empty.
  Result<ModelVersion> move_model(std::int64_t model_id, Lifecycle to, std::string_view reason);
  /// Oldest first.
  Result<std::vector<Transition>> history(std::int64_t model_id);

  /// Makes home/models/NAME/VERSION/ with the files under their names (hard links to blobs,
  /// symbolic links where the disk has none) and returns that folder. Files that are there and
  /// right are left alone; missing and foreign ones are put right; safe when several callers do it
  /// at once. They are read-only: never write into this folder. Errors: kCorrupt when a blob is
  /// missing or has another length.
  Result<std::filesystem::path> materialise(const ModelVersion& model);
  /// Hashes every blob of the model again. Errors: kCorrupt names the first damaged or missing
  /// file.
  Status verify(const ModelVersion& model);

  /// Forgets a version, or all of a name, with its checks and its history; its content goes unless
  /// something else refers to it. The experts of a core go with it, by force only. Version numbers
  /// are never given again, so that what names "bee@2" never means other bytes. Errors: kConflict
  /// names the endpoints and running jobs that use it, or the experts over it.
  Result<Removal> remove_model(std::string_view reference, const RemovalOptions& options = {});

  // ---- Deployments.

  /// Creates the endpoint or replaces it as a whole. References are fixed to the versions they mean
  /// now. Errors: kConflict when the name is a model's, when a version is retired or has the wrong
  /// kind, or when an adapter's parent is another core.
  Result<Deployment> put_deployment(const NewDeployment& deployment);
  Result<Deployment> find_deployment(std::string_view name);
  /// Errors: kNotFound when there is no deployment at all, or none was made the default.
  Result<Deployment> default_deployment();
  /// By name.
  Result<std::vector<Deployment>> list_deployments();
  Status make_default(std::string_view name);
  /// When it was the default and one deployment is left, that one becomes the default.
  Status remove_deployment(std::string_view name);

  // ---- Jobs.

  /// A queued job of this process. `kind`: as a name. `folder`: where it works, relative to
  /// home/jobs or absolute; several jobs may share one; empty: its own.
  Result<Job> add_job(std::string_view kind, const Json& spec,
                      const std::filesystem::path& folder = {});
  /// queued -> running; `pid` is the process to watch, 0 for this one.
  Status start_job(std::string_view id, std::int64_t pid = 0);
  Status succeed_job(std::string_view id, const Json& result);
  Status fail_job(std::string_view id, std::string_view error);
  Status cancel_job(std::string_view id, std::string_view reason);
  Result<Job> find_job(std::string_view id);
  /// Newest first.
  Result<std::vector<Job>> list_jobs(std::int64_t max_jobs = 100);
  /// Where the job works or worked; absolute.
  std::filesystem::path folder_of(const Job& job) const;
  /// Forgets a job that has ended; the last job of a folder takes the folder along. Errors:
  /// kConflict when it has not ended.
  Status remove_job(std::string_view id);
  /// Ends the jobs of processes that are gone; returns how many. open() does it, and long-lived
  /// servers may.
  Result<std::int64_t> end_orphaned_jobs();

  // ---- Housekeeping.

  struct Garbage {
    std::int64_t num_blobs = 0;
    std::uint64_t num_bytes = 0;
  };
  /// Removes blobs that nothing refers to and that were last put longer ago than `minimum_age`
  /// (younger ones may belong to an import on its way). Other writers wait meanwhile.
  Result<Garbage> remove_unreferenced_blobs(
      std::chrono::milliseconds minimum_age = std::chrono::hours(1));
  /// Every blob something refers to is there and has its hash. Cost: reads all of them. Returns the
  /// damage found, one sentence each: empty is good.
  Result<std::vector<std::string>> verify_all();

 private:
  Catalogue(store::FileSystem& files, const store::Home& home, Clock& clock,
            store::Database database);

  Status name_is_free_locked(std::string_view name, NameUse use) PANAL_REQUIRES(mutex_);
  Result<ModelVersion> load_model(std::int64_t id) PANAL_REQUIRES(mutex_);
  Result<ModelVersion> read_model(store::Statement& row) PANAL_REQUIRES(mutex_);
  Result<Resolved> resolve_locked(std::string_view reference) PANAL_REQUIRES(mutex_);
  Result<Resolved> resolve_bare_name(const std::string& name) PANAL_REQUIRES(mutex_);
  Result<std::optional<ModelVersion>> identical_model(const NewModel& model,
                                                      const std::vector<ModelFile>& files)
      PANAL_REQUIRES(mutex_);
  Status write_transition(std::int64_t model_id, Lifecycle from, Lifecycle to,
                          std::string_view reason) PANAL_REQUIRES(mutex_);
  Status check_may_be_ready(const ModelVersion& model) PANAL_REQUIRES(mutex_);
  Status check_not_deployed(const ModelVersion& model) PANAL_REQUIRES(mutex_);
  // Within a transaction, so that no sweep can come between.
  Status check_blobs_exist(const std::vector<std::string>& hashes) PANAL_REQUIRES(mutex_);
  Result<Dataset> load_dataset(std::int64_t id) PANAL_REQUIRES(mutex_);
  Result<Dataset> dataset_of_reference(std::string_view text) PANAL_REQUIRES(mutex_);
  Result<std::vector<Partitioning>> load_partitionings(std::int64_t dataset_id)
      PANAL_REQUIRES(mutex_);
  Result<Partitioning> load_partitioning(std::int64_t id) PANAL_REQUIRES(mutex_);
  Result<Deployment> load_deployment(std::int64_t id) PANAL_REQUIRES(mutex_);
  Result<std::int64_t> deployment_id(std::string_view name) PANAL_REQUIRES(mutex_);
  // How often each blob is referred to by what is to go.
  using OwnedBlobs = std::map<std::string, std::int64_t>;
  // The next version of a name: removed ones count.
  Result<std::int64_t> next_version(std::string_view table, std::string_view subject,
                                    std::string_view name) PANAL_REQUIRES(mutex_);
  Status keep_version_number(std::string_view subject, std::string_view name, std::int64_t version)
      PANAL_REQUIRES(mutex_);
  Result<std::vector<ModelVersion>> load_models() PANAL_REQUIRES(mutex_);
  Result<std::vector<ModelVersion>> versions_of_model(std::string_view reference)
      PANAL_REQUIRES(mutex_);
  Result<std::vector<Dataset>> versions_of_dataset(std::string_view reference)
      PANAL_REQUIRES(mutex_);
  Status find_uses(const std::vector<ModelVersion>& models, Removal& removal)
      PANAL_REQUIRES(mutex_);
  // Queued and running jobs whose description holds one of the texts, followed by no digit.
  Status find_jobs_on(const std::vector<std::string>& texts, Removal& removal)
      PANAL_REQUIRES(mutex_);
  Status erase_model(const ModelVersion& model) PANAL_REQUIRES(mutex_);
  Status erase_partitionings(std::int64_t dataset_id) PANAL_REQUIRES(mutex_);
  Result<std::uint64_t> bytes_only_of(const OwnedBlobs& blobs) PANAL_REQUIRES(mutex_);
  Result<Job> load_job(std::string_view id) PANAL_REQUIRES(mutex_);
  Result<bool> has_other_job(const Job& job, const std::filesystem::path& folder)
      PANAL_REQUIRES(mutex_);

  Status end_job(std::string_view id, JobState end, const Json& result, std::string_view error)
      PANAL_EXCLUDES(mutex_);
  Result<Dataset> insert_dataset(const NewDataset& dataset, const std::string& blob)
      PANAL_EXCLUDES(mutex_);
  Result<ModelVersion> insert_model(const NewModel& model, const std::vector<ModelFile>& files)
      PANAL_EXCLUDES(mutex_);
  Status remove_content(const OwnedBlobs& blobs) PANAL_EXCLUDES(mutex_);
  Status remove_folders_of_removed_models() PANAL_EXCLUDES(mutex_);
  Result<Garbage> remove_unreferenced(const std::vector<store::BlobStore::Entry>& candidates)
      PANAL_EXCLUDES(mutex_);
  Status link_file(const ModelFile& file, const std::filesystem::path& folder)
      PANAL_EXCLUDES(mutex_);

  store::FileSystem& files_;  // Outlives the catalogue.
  const store::Home home_;
  Clock& clock_;            // Outlives the catalogue.
  store::BlobStore blobs_;  // Thread-safe by itself: content moves without the mutex.
  Mutex mutex_;
  store::Database database_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace panal::registry
