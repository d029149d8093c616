// The jobs of a hive, also those of other processes: looked at, followed, stopped, forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/event.h"
#include "hub/hive.h"
#include "registry/job.h"
#include "registry/removal.h"

namespace panal::hub {

/// Newest first.
Result<std::vector<registry::Job>> list_jobs(Hive& hive, std::int64_t max_jobs = 100);

struct JobLog {
  registry::Job job{};
  std::string text{};  // What its process wrote to standard error.
};
/// Errors: kNotFound for the job, or when it left no log.
Result<JobLog> read_job_log(Hive& hive, const std::string& id);

/// Tells what the job told so far and tells, also when another process runs it, until it has ended;
/// returns how. A stop request ends the following, not the job: kCancelled.
Result<registry::Job> follow_job(Hive& hive, const std::string& id, const Watch& watch);

/// Asks the job to stop and returns at once: training writes a checkpoint first. The process that
/// runs it ends its other work too, when it is another one. Errors: kConflict when it has ended.
Status cancel_job(Hive& hive, const std::string& id);

struct RemoveJobs {
  std::vector<std::string> ids{};
  registry::RemovalOptions options{};
};
/// Forgets ended jobs; the last job of a folder takes it along, with log, curves and checkpoints.
/// By force only: a run that could go on from its checkpoint, and one whose model was registered
/// nowhere. Errors: kConflict when one has not ended; then none is removed.
Result<registry::Removal> remove_jobs(Hive& hive, const RemoveJobs& request);

}  // namespace panal::hub
