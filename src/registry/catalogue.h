// The registry's one door: what is known about datasets, models, deployments and jobs of one home.
// Facts lie in SQLite, content in blobs. Content is always written first and then named by one
// short transaction, so that a crash at any moment leaves at most blobs that nobody refers to.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "registry/dataset.h"
#include "registry/deployment.h"
#include "registry/job.h"
#include "registry/model_version.h"
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
  /// processes left half written, and ends the jobs of dead processes. `files` and `clock` must
  /// outlive it. Errors: kUnsupported when a newer panal wrote it.
  static Result<std::unique_ptr<Catalogue>> open(store::FileSystem& files, const store::Home& home,
                                                 Clock& clock);
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  store::BlobStore& blobs() { return blobs_; }
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

  // ---- Models.

  /// Copies the files into blobs and registers the next version of the name as a candidate. A name
  /// keeps its kind.
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

  // ---- Deployments.

  /// Creates the endpoint or replaces it as a whole. References are fixed to the versions they mean
  /// now. Errors: kConflict when a version is retired, has the wrong kind, or an adapter's parent
  /// is another core.
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

  /// A queued job of this process. `kind`: as a name.
  Result<Job> add_job(std::string_view kind, const Json& spec);
  /// queued -> running; `pid` is the process to watch, 0 for this one.
  Status start_job(std::string_view id, std::int64_t pid = 0);
  Status succeed_job(std::string_view id, const Json& result);
  Status fail_job(std::string_view id, std::string_view error);
  Status cancel_job(std::string_view id, std::string_view reason);
  Result<Job> find_job(std::string_view id);
  /// Newest first.
  Result<std::vector<Job>> list_jobs(std::int64_t max_jobs = 100);
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

  // All need mutex_ held.
  Result<ModelVersion> load_model(std::int64_t id);
  Result<ModelVersion> read_model(store::Statement& row);
  Result<Resolved> resolve_locked(std::string_view reference);
  Result<Resolved> resolve_bare_name(const std::string& name);
  Result<std::optional<ModelVersion>> identical_model(const NewModel& model,
                                                      const std::vector<ModelFile>& files);
  Result<ModelVersion> insert_model(const NewModel& model, const std::vector<ModelFile>& files);
  Status write_transition(std::int64_t model_id, Lifecycle from, Lifecycle to,
                          std::string_view reason);
  Status check_may_be_ready(const ModelVersion& model);
  Status check_not_deployed(const ModelVersion& model);
  Status check_blobs_exist(const std::vector<std::string>& hashes);
  Result<Dataset> load_dataset(std::int64_t id);
  Result<Dataset> insert_dataset(const NewDataset& dataset, const std::string& blob);
  Result<Partitioning> load_partitioning(std::int64_t id);
  Result<Deployment> load_deployment(std::int64_t id);
  Result<std::int64_t> deployment_id(std::string_view name);
  Result<Job> load_job(std::string_view id);
  Status end_job(std::string_view id, JobState end, const Json& result, std::string_view error);

  Status link_file(const ModelFile& file, const std::filesystem::path& folder);

  store::FileSystem& files_;  // Outlives the catalogue.
  const store::Home home_;
  Clock& clock_;            // Outlives the catalogue.
  store::BlobStore blobs_;  // Thread-safe by itself: content moves without the mutex.
  std::mutex mutex_;
  store::Database database_;  // Guarded by mutex_.
};

}  // namespace panal::registry
