#include "fleet/engine_job.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "fleet/child_process.h"
#include "store/file_system.h"
#include "work/job.h"

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

constexpr char kWhere[] = "event of panal-engine";

// What is known when the child ended without a result: its own error event, or its way of ending.
Status failure_of(const std::optional<Status>& said, const ChildExit& exit,
                  const std::filesystem::path& log, bool was_stopped) {
  if (said) return *said;
  if (was_stopped) return Status(Code::kCancelled, "stopped on request");
  return Status(Code::kUnavailable, fmt::format("panal-engine {} without a result; its log is {}",
                                                exit.shown(), log.string()));
}

// The job of one process among several.
Result<ChildProcess> start_rank(const EngineJob& job, const std::filesystem::path& program,
                                const std::optional<work::GroupPlace>& group, int rank) {
  const auto folder = rank == 0 ? job.folder : job.folder / fmt::format("rank_{}", rank);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return Status(Code::kUnavailable,
                  fmt::format("cannot make {}: {}", folder.string(), error.message()));
  work::JobFile file{.kind = job.kind, .spec = job.spec, .group = group};
  if (file.group) file.group->rank = rank;
  PANAL_TRY(store::write_file_atomically(store::posix_file_system(), folder / "job.json",
                                         to_pretty(work::encode(file))));
  return ChildProcess::start({program, {"job", folder.string()}, folder / "log.txt"});
}

// The socket's path is short whatever the job's folder is, and nobody can guess it or the token.
work::GroupPlace new_group(int processes) {
  const auto socket =
      std::filesystem::temp_directory_path() / fmt::format("panal-{}.sock", random_hex(12));
  return {.size = processes, .address = "unix:" + socket.string(), .token = random_hex(24)};
}

// How the other ranks ended, where it says more than that the first one failed.
std::string ends_of(std::vector<ChildProcess>& others, const std::optional<Status>& first) {
  std::string ends;
  for (std::size_t i = 0; i < others.size(); ++i) {
    std::string said;
    while (true) {
      const auto line = others[i].read_line(5s);
      if (!line.ok() || !line->has_value()) break;
      const auto event = work::parse<work::JobEvent>(**line, kWhere);
      const auto* failure = event.ok() ? std::get_if<work::Failure>(&event->event) : nullptr;
      if (failure != nullptr) said = failure->message;
    }
    const ChildExit exit = others[i].stop(5s);
    if (exit.signal != 0) {
      ends += fmt::format("; the process of rank {} {}", i + 1, exit.shown());
    } else if (!said.empty() && (!first || said != first->message()) &&
               said.find(" is lost: ") == std::string::npos) {
      ends += fmt::format("; rank {} said: {}", i + 1, said);
    }
  }
  return ends;
}

}  // namespace

Result<Json> run_engine_job(const EngineJob& job, const EngineEvent& on_event,
                            std::stop_token stop) {
  const auto log = job.folder / "log.txt";
  PANAL_ASSIGN(const auto program, engine_program());
  const auto group = job.processes > 1 ? std::optional(new_group(job.processes)) : std::nullopt;
  PANAL_ASSIGN(ChildProcess child, start_rank(job, program, group, 0));
  std::vector<ChildProcess> others;
  for (int rank = 1; rank < job.processes; ++rank) {
    PANAL_ASSIGN(ChildProcess other, start_rank(job, program, group, rank));
    others.push_back(std::move(other));
  }
  const std::stop_callback interrupt(stop, [&] { child.interrupt(); });

  std::optional<Json> result;
  std::optional<Status> said;
  while (true) {
    const auto line = child.read_line(stop.stop_requested() ? 30s : 500ms);
    if (!line.ok()) {
      if (line.code() == Code::kDeadlineExceeded && !stop.stop_requested()) continue;
      break;
    }
    if (!line->has_value()) break;
    auto event = work::parse<work::JobEvent>(**line, kWhere);
    if (!event.ok()) {
      // A library's own chatter on standard output is none; an event that cannot be read is a
      // fault.
      if ((*line)->starts_with("{\"version\"")) log_warning(event.status().message());
      continue;
    }
    if (auto* done = std::get_if<work::JobDone>(&event->event)) {
      result = std::move(done->result);
    } else if (const auto* failure = std::get_if<work::Failure>(&event->event)) {
      said = failure->status();
    } else if (on_event) {
      on_event(*event);
    }
  }
  const ChildExit exit = child.stop(30s);
  const std::string ends = ends_of(others, said);
  if (result && exit.code == 0) return *std::move(result);
  const Status failure = failure_of(said, exit, log, stop.stop_requested());
  return Status(failure.code(), failure.message() + ends);
}

}  // namespace panal::fleet
