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
    "error FROM jobs ";

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
  return job;
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

Result<Job> Catalogue::add_job(std::string_view kind, const Json& spec) {
  PANAL_TRY(check_name(kind, "a kind of job"));
  const store::ProcessIdentity owner = store::this_process();
  const std::lock_guard lock(mutex_);
  PANAL_ASSIGN(Transaction transaction, Transaction::begin(database_));
  std::string id;
  do {
    id = fmt::format("{}-{}", kind, random_hex(4));
  } while (load_job(id).ok());
  PANAL_TRY(database_.run(
      "INSERT INTO jobs (id, kind, state, created_unix_ms, pid, pid_start_ticks, spec, result, "
      "error) VALUES (?, ?, 'queued', ?, ?, ?, ?, '{}', '')",
      id, kind, clock_.unix_ms(), owner.pid, owner.start_ticks, to_line(spec)));
  PANAL_ASSIGN(Job job, load_job(id));
  PANAL_TRY(transaction.commit());
  return job;
}

Status Catalogue::start_job(std::string_view id, std::int64_t pid) {
  const store::ProcessIdentity worker =
      pid == 0 ? store::this_process() : store::process_with_pid(pid);
  const std::lock_guard lock(mutex_);
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
  const std::lock_guard lock(mutex_);
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
  const std::lock_guard lock(mutex_);
  return load_job(id);
}

Result<std::vector<Job>> Catalogue::list_jobs(std::int64_t max_jobs) {
  const std::lock_guard lock(mutex_);
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

Result<std::int64_t> Catalogue::end_orphaned_jobs() {
  const std::lock_guard lock(mutex_);
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
