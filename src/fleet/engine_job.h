// One job of panal-engine, seen from the control side: a folder with job.json (work::JobFile) goes
// in, events come out as lines (work::JobEvent), and result.json remains.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "work/job_event.h"

namespace panal::fleet {

struct EngineJob {
  std::string kind;  // kKind of a work::Job.
  Json spec;         // That job, encoded, with absolute paths.
  /// Made when it is missing; holds job.json, result.json and log.txt afterwards.
  std::filesystem::path folder;
  /// Over 1: as many children do the job together, each told its work::GroupPlace. The first one's
  /// events and result are the job's; the others' folders are rank_<n> in its folder. When one is
  /// lost, the others end and the error says how it ended.
  int processes = 1;
};

/// Receives every event but the last one.
using EngineEvent = std::function<void(const work::JobEvent& event)>;

/// Runs a job to its end in a child process and returns its result object. A stop request asks the
/// child to end (training then writes a checkpoint); after 30 s it is killed. Errors: what the job
/// itself said, kCancelled, or kUnavailable when the child died without a word (names the log).
Result<Json> run_engine_job(const EngineJob& job, const EngineEvent& on_event,
                            std::stop_token stop = {});

}  // namespace panal::fleet
