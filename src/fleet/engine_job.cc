#include "fleet/engine_job.h"

#include <fmt/format.h>

#include "fleet/child_process.h"
#include "store/file_system.h"

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

// What is known when the child ended without a result: its own error event, or its way of ending.
Status failure_of(const std::optional<Status>& said, const ChildExit& exit,
                  const std::filesystem::path& log, bool was_stopped) {
  if (said) return *said;
  if (was_stopped) return Status(Code::kCancelled, "stopped on request");
  return Status(Code::kUnavailable, fmt::format("panal-engine {} without a result; its log is {}",
                                                exit.shown(), log.string()));
}

}  // namespace

Result<Json> run_engine_job(const EngineJob& job, const EngineEvent& on_event,
                            std::stop_token stop) {
  std::error_code error;
  std::filesystem::create_directories(job.folder, error);
  if (error)
    return Status(Code::kUnavailable,
                  fmt::format("cannot make {}: {}", job.folder.string(), error.message()));
  const Json document = {{"kind", job.kind}, {"spec", job.spec}};
  PANAL_TRY(store::write_file_atomically(store::posix_file_system(), job.folder / "job.json",
                                         to_pretty(document)));
  const auto log = job.folder / "log.txt";
  PANAL_ASSIGN(const auto program, engine_program());
  PANAL_ASSIGN(ChildProcess child,
               ChildProcess::start({program, {"job", job.folder.string()}, log}));
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
    const auto event = parse_json(**line, "event of panal-engine");
    if (!event.ok() || !event->is_object())
      continue;  // A library's own chatter on standard output.
    const std::string name = event->value("event", "");
    if (name == "result") {
      result = event->value("result", Json::object());
    } else if (name == "error") {
      said = Status(code_from_name(event->value("code", "internal")),
                    event->value("message", "failed without a message"));
    } else if (on_event) {
      on_event(*event);
    }
  }
  const ChildExit exit = child.stop(30s);
  if (result && exit.code == 0) return *std::move(result);
  return failure_of(said, exit, log, stop.stop_requested());
}

}  // namespace panal::fleet
