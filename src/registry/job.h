// Work that takes a while, as the catalogue remembers it after the process that did it is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace panal::registry {

/// queued: written down. running: a process works on it. succeeded, failed, cancelled: ended, for
/// good. Legal: queued -> running; queued or running -> each of the three ends. When the process of
/// a queued or running job is gone, opening the catalogue turns it into failed: "interrupted; run
/// it again to resume".
enum class JobState { kQueued, kRunning, kSucceeded, kFailed, kCancelled };
std::string_view job_state_name(JobState state);

struct Job {
  std::string id{};    // "pretrain-1f6a09c2".
  std::string kind{};  // "pretrain", "finetune", "evaluate", ...
  JobState state = JobState::kQueued;
  std::int64_t created_unix_ms = 0;
  std::optional<std::int64_t> started_unix_ms{};
  std::optional<std::int64_t> ended_unix_ms{};
  std::int64_t pid = 0;  // Of the process that answers for it, with when it started.
  std::int64_t pid_start_ticks = 0;
  std::string folder{};  // As it was given to add_job(): Catalogue::folder_of() tells the place.
  Json spec = Json::object();
  Json result = Json::object();  // Empty until it succeeded.
  std::string error{};           // Why it failed or was cancelled.
};
Json to_json(const Job& job);

}  // namespace panal::registry
