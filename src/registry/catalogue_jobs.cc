// Jobs: written down before they start, so that a crash leaves a record instead of a riddle.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "registry/catalogue.h"
#include "registry/detail/rows.h"
#include "store/process.h"

namespace panal::registry {

using detail::for_each_row;
using store::Statement;
using store::Transaction;

namespace {

constexpr std::array<std::string_view, 5> kStateNames = {"queued", "running", "succeeded", "failed",
                                                         "cancelled"};

constexpr std::string_view kJobColumns =
    "SELECT id, kind, state, created_unix_ms, started_unix_ms, ended_unix_ms, pid, spec, result, "
    "error, pid_start_ticks, folder FROM jobs ";

Result<JobState> state_from_name(std::string_view name) {
  const auto found = std::ranges::find(kStateNames, name);
  if (found != kStateNames.end()) return static_cast<JobState>(found - kStateNames.begin());
  return Status(Code::kCorrupt,
                fmt::format("the catalogue is damaged: unknown job state \"{}\"", name));
}

Result<Job> read_job(const Statement& row) {
  Job job{.id = row.text(0), .kind = row.text(1)};
  PANAL_ASSIGN(job.state, state_from_name(row.text(2)));
  job.created_unix_ms = row.integer(3);
  if (!row.is_null(4)) job.started_unix_ms = row.integer(4);
  if (!row.is_null(5)) job.ended_unix_ms = row.integer(5);
  job.pid = row.integer(6);
  PANAL_ASSIGN(job.spec, detail::json_column(row, 7, "the description of job " + job.id));
  PANAL_ASSIGN(job.result, detail::json_column(row, 8, "the result of job " + job.id));
  job.error = row.text(9);
  job.pid_start_ticks = row.integer(10);
  job.folder = row.text(11);
  return job;
}

// How a folder is called between leaving its name and being gone.
constexpr std::string_view kRemovedPrefix = ".removed-";

Status remove_tree(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (!error) return Status();
  return Status(Code::kUnavailable,
                fmt::format("cannot remove {}: {}", folder.string(), error.message()));
}

// What dead processes were removing.
Status remove_leftovers(const std::filesystem::path& jobs) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(jobs, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kRemovedPrefix)) continue;
    const std::string owner = name.substr(kRemovedPrefix.size());
    const auto process = store::process_from_text(owner.substr(0, owner.rfind('-')));
    if (process.pid != 0 && !store::is_alive(process)) PANAL_TRY(remove_tree(entry.path()));
  }
  return Status();
}

Json json_of(const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(); }

}  // namespace

std::string_view job_state_name(JobState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

Json to_json(const Job& job) {
  return Json{{"id", job.id},
              {"kind", job.kind},
              {"state", job_state_name(job.state)},
              {"created_unix_ms", job.created_unix_ms},
              {"started_unix_ms", json_of(job.started_unix_ms)},
              {"ended_unix_ms", json_of(job.ended_unix_ms)},
              {"pid", job.pid},
              {"spec", job.spec},
              {"result", job.result},
              {"error", job.error}};
}

Result<Job> Catalogue::load_job(std::string_view id) {
  PANAL_ASSIGN(Statement row, database_.query(std::string(kJobColumns) + "WHERE id = ?", id));
  PANAL_ASSIGN(const bool has_row, row.step());
  if (!has_row)
    return Status(Code::kNotFound, fmt::format("there is no job \"{}\"", id.substr(0, 100)));
  return read_job(row);
}

Result<Job> Catalogue::add_job(std::string_view kind, const Json& spec,
                               const std::filesystem::path& folder) {
  PANAL_TRY(check_name(kind, "a kind of job"));
  const store::ProcessIdentity owner = store::this_process();
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  std::string id;
  do {
    id = fmt::format("{}-{}", kind, random_hex(4));
  } while (load_job(id).ok());
  PANAL_TRY(database_.run(
      "INSERT INTO jobs (id, kind, state, created_unix_ms, pid, pid_start_ticks, spec, result, "
      "error, folder) VALUES (?, ?, 'queued', ?, ?, ?, ?, '{}', '', ?)",
      id, kind, clock_.unix_ms(), owner.pid, owner.start_ticks, to_line(spec), folder.string()));
  PANAL_ASSIGN(Job job, load_job(id));
  PANAL_TRY(transaction.commit());
  return job;
}

Status Catalogue::start_job(std::string_view id, std::int64_t pid) {
  const store::ProcessIdentity worker =
      pid == 0 ? store::this_process() : store::process_with_pid(pid);
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(const Job job, load_job(id));
  if (job.state != JobState::kQueued) {
    return Status(Code::kConflict, fmt::format("job {} cannot start: it is {}, not queued", job.id,
                                               job_state_name(job.state)));
  }
  PANAL_TRY(database_.run(
      "UPDATE jobs SET state = 'running', started_unix_ms = ?, pid = ?, pid_start_ticks = ? "
      "WHERE id = ?",
      clock_.unix_ms(), worker.pid, worker.start_ticks, id));
  return transaction.commit();
}

Status Catalogue::end_job(std::string_view id, JobState end, const Json& result,
                          std::string_view error) {
  const MutexLock lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  PANAL_ASSIGN(const Job job, load_job(id));
  if (job.state != JobState::kQueued && job.state != JobState::kRunning) {
    return Status(Code::kConflict, fmt::format("job {} cannot become {}: it is {} already", job.id,
                                               job_state_name(end), job_state_name(job.state)));
  }
  PANAL_TRY(database_.run(
      "UPDATE jobs SET state = ?, ended_unix_ms = ?, result = ?, error = ? WHERE id = ?",
      job_state_name(end), clock_.unix_ms(), to_line(result), error, id));
  return transaction.commit();
}

Status Catalogue::succeed_job(std::string_view id, const Json& result) {
  return end_job(id, JobState::kSucceeded, result, "");
}

Status Catalogue::fail_job(std::string_view id, std::string_view error) {
  return end_job(id, JobState::kFailed, Json::object(), error);
}

Status Catalogue::cancel_job(std::string_view id, std::string_view reason) {
  return end_job(id, JobState::kCancelled, Json::object(), reason);
}

Result<Job> Catalogue::find_job(std::string_view id) {
  const MutexLock lock(mutex_);
  return load_job(id);
}

Result<std::vector<Job>> Catalogue::list_jobs(std::int64_t max_jobs) {
  const MutexLock lock(mutex_);
  std::vector<Job> jobs;
  PANAL_ASSIGN(Statement rows,
               database_.query(
                   std::string(kJobColumns) + "ORDER BY created_unix_ms DESC, rowid DESC LIMIT ?",
                   std::max<std::int64_t>(0, max_jobs)));
  PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
    PANAL_ASSIGN(Job job, read_job(row));
    jobs.push_back(std::move(job));
    return Status();
  }));
  return jobs;
}

std::filesystem::path Catalogue::folder_of(const Job& job) const {
  return home_.jobs / (job.folder.empty() ? job.id : job.folder);
}

Status Catalogue::remove_job(std::string_view id) {
  PANAL_TRY(remove_leftovers(home_.jobs));
  // Its name says whose it is, so that a crash leaves what the next call takes away.
  const auto taken = home_.jobs / fmt::format("{}{}-{}", kRemovedPrefix,
                                              store::to_text(store::this_process()), random_hex(4));
  bool has_folder = false;
  {
    const MutexLock lock(mutex_);
    PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
    PANAL_ASSIGN(const Job job, load_job(id));
    if (job.state == JobState::kQueued || job.state == JobState::kRunning) {
      return Status(Code::kConflict,
                    fmt::format("job {} is {}: cancel it first (panal jobs cancel {})", job.id,
                                job_state_name(job.state), job.id));
    }
    const auto folder = folder_of(job);
    PANAL_ASSIGN(const bool is_shared, has_other_job(job, folder));
    PANAL_TRY(database_.run("DELETE FROM jobs WHERE id = ?", id));
    if (!is_shared) {
      const Status moved = files_.rename(folder, taken);
      if (!moved.ok() && moved.code() != Code::kNotFound) return moved;
      has_folder = moved.ok();
    }
    const Status committed = transaction.commit();
    if (!committed.ok()) {
      if (has_folder) (void)files_.rename(taken, folder);
      return committed;
    }
  }
  return has_folder ? remove_tree(taken) : Status();
}

Result<bool> Catalogue::has_other_job(const Job& job, const std::filesystem::path& folder) {
  PANAL_ASSIGN(Statement rows,
               database_.query("SELECT id, folder FROM jobs WHERE id != ?", job.id));
  for (;;) {
    PANAL_ASSIGN(const bool has_row, rows.step());
    if (!has_row) return false;
    const Job other{.id = rows.text(0), .folder = rows.text(1)};
    if (folder_of(other) == folder) return true;
  }
}

Result<std::int64_t> Catalogue::end_orphaned_jobs() {
  const MutexLock lock(mutex_);
  std::vector<std::string> orphans;
  {
    PANAL_ASSIGN(Statement rows, database_.query("SELECT id, pid, pid_start_ticks FROM jobs "
                                                 "WHERE state IN ('queued', 'running')"));
    PANAL_TRY(for_each_row(rows, [&](const Statement& row) {
      if (!store::is_alive({row.integer(1), row.integer(2)})) orphans.push_back(row.text(0));
      return Status();
    }));
  }
  if (orphans.empty()) return 0;  // The usual case takes no writer's place.
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  std::int64_t num_ended = 0;
  for (const auto& id : orphans) {
    PANAL_TRY(
        database_.run("UPDATE jobs SET state = 'failed', ended_unix_ms = ?, "
                      "error = 'interrupted; run it again to resume' "
                      "WHERE id = ? AND state IN ('queued', 'running')",
                      clock_.unix_ms(), id));
    num_ended += database_.num_changed();
  }
  PANAL_TRY(transaction.commit());
  return num_ended;
}

}  // namespace panal::registry
