#include "hub/jobs.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <set>

#include "hub/detail/event_journal.h"
#include "store/file_system.h"
#include "store/process.h"
#include "work/training.h"

namespace panal::hub {
namespace {

using registry::Job;
using registry::JobState;

constexpr std::uint64_t kMaxLogBytes = 64u << 20;
constexpr auto kLookAgain = std::chrono::milliseconds(300);

bool has_ended(const Job& job) {
  return job.state != JobState::kQueued && job.state != JobState::kRunning;
}

bool holds_something(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_directory(folder, error) && !std::filesystem::is_empty(folder, error);
}

std::uint64_t bytes_below(const std::filesystem::path& folder) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown)) sum += entry->file_size(unknown);
  }
  return sum;
}

// Where the folder's going would lose what nothing else holds.
std::string loss_of(const Job& job, const std::filesystem::path& folder,
                    const std::set<std::string>& registered_runs) {
  if (job.kind != work::TrainingJob::kKind || registered_runs.contains(folder.filename().string()))
    return "";
  if (job.state != JobState::kSucceeded && holds_something(folder / "run" / "checkpoints")) {
    return fmt::format("the checkpoints of {}, from which its run could go on", job.id);
  }
  if (job.state != JobState::kSucceeded) return "";
  const auto summary = work::from_json<work::TrainingSummary>(job.result, job.id);
  if (!summary.ok()) {
    return fmt::format("the model that {} trained, of which its result does not say where it lies",
                       job.id);
  }
  if (holds_something(summary->model_folder)) {
    return fmt::format("the model that {} trained, which is registered under no name", job.id);
  }
  return "";
}

}  // namespace

Result<std::vector<Job>> list_jobs(Hive& hive, std::int64_t max_jobs) {
  return hive.catalogue().list_jobs(max_jobs);
}

Result<JobLog> read_job_log(Hive& hive, const std::string& id) {
  JobLog log;
  PANAL_ASSIGN(log.job, hive.catalogue().find_job(id));
  PANAL_ASSIGN(log.text,
               store::read_file(hive.catalogue().folder_of(log.job) / "log.txt", kMaxLogBytes));
  return log;
}

Result<Job> follow_job(Hive& hive, const std::string& id, const Watch& watch) {
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(Job job, catalogue.find_job(id));
  detail::JournalReader journal(detail::journal_path(catalogue.folder_of(job), job.id));
  for (;;) {
    // What was told before it ended stands in the journal by now.
    PANAL_ASSIGN(job, catalogue.find_job(id));
    journal.read_new(watch);
    if (has_ended(job)) return job;
    if (watch.stop.stop_requested()) {
      return Status(Code::kCancelled,
                    fmt::format("no longer following {}; the job goes on", job.id));
    }
    PANAL_TRY(catalogue.end_orphaned_jobs().status());
    hive.clock().sleep_for(kLookAgain);
  }
}

Status cancel_job(Hive& hive, const std::string& id) {
  PANAL_TRY(hive.catalogue().end_orphaned_jobs().status());
  PANAL_ASSIGN(const Job job, hive.catalogue().find_job(id));
  if (has_ended(job)) {
    return Status(Code::kConflict, fmt::format("job {} has ended already: {}", job.id,
                                               registry::job_state_name(job.state)));
  }
  if (hive.stop_own_job(job.id)) return Status();
  return store::ask_to_end({job.pid, job.pid_start_ticks});
}

Result<registry::Removal> remove_jobs(Hive& hive, const RemoveJobs& request) {
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(const auto models, catalogue.list_models());
  std::set<std::string> registered_runs;
  for (const auto& model : models) registered_runs.insert(model.lineage.run_id);
  registry::Removal removal;
  std::set<std::filesystem::path> folders;
  for (const auto& id : request.ids) {
    PANAL_ASSIGN(const Job job, catalogue.find_job(id));
    removal.removed.push_back("job " + job.id);
    const auto folder = catalogue.folder_of(job);
    if (!has_ended(job)) {
      removal.refused_by.push_back(fmt::format("{} is {} (panal jobs cancel {})", job.id,
                                               registry::job_state_name(job.state), job.id));
    }
    if (const std::string loss = loss_of(job, folder, registered_runs); !loss.empty())
      removal.dependents.push_back(loss);
    for (const auto& model : models) {
      if (model.lineage.run_id == folder.filename()) removal.named_by.push_back(model.label());
    }
    if (folders.insert(folder).second) removal.freed_bytes += bytes_below(folder);
  }
  if (request.options.dry_run) return removal;
  PANAL_TRY(registry::check_allowed(removal, request.options));
  for (const auto& id : request.ids) PANAL_TRY(catalogue.remove_job(id));
  removal.is_done = true;
  return removal;
}

}  // namespace panal::hub
