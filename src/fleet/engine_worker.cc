#include "fleet/engine_worker.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>

#include "base/hash.h"
#include "base/json.h"
#include "net/stream_parsers.h"
#include "store/file_system.h"
#include "work/job_event.h"

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

// An answer's end tells how likely each token was, 1.5 KB for one with 20 beside it.
constexpr std::size_t kMostEventBytes = 64u << 20;
constexpr char kWhere[] = "answer of panal-engine";

// A socket's path has a bound that folders do not have.
constexpr std::size_t kMaxSocketPathBytes = sizeof(sockaddr_un{}.sun_path) - 1;

/// One answer as it comes: bytes to lines to events.
class Reader {
 public:
  Reader(std::string who, ModelServer::Callbacks callbacks)
      : who_(std::move(who)), callbacks_(std::move(callbacks)) {}

  bool on_head(const net::ClientResponse& head) {
    if (head.status < 400 && callbacks_.on_admitted) callbacks_.on_admitted();
    return true;
  }
  bool on_chunk(std::string_view chunk) {
    broken_ = lines_.push(chunk, [this](std::string_view line) { return on_line(line); });
    return broken_.ok();
  }
  void on_done(const Result<net::ClientResponse>& response) {
    // A refusal is one event, which the client collects.
    if (response.ok() && response->status >= 400) on_line(response->body);
    if (outcome_) return callbacks_.on_done(*std::move(outcome_));
    if (!broken_.ok()) return callbacks_.on_done(broken_);
    callbacks_.on_done(response.ok()
                           ? Status(Code::kUnavailable, who_ + " ended in the middle of an answer")
                           : response.status().with_context(who_));
  }

 private:
  bool on_line(std::string_view line) {
    if (line.empty() || outcome_) return true;
    auto event = work::parse<work::GenerationEvent>(line, kWhere);
    if (!event.ok()) {
      outcome_.emplace(Status(Code::kInternal, event.status().message()));
    } else if (const auto* text = std::get_if<std::string>(&event->event)) {
      if (callbacks_.on_text) callbacks_.on_text(*text);
    } else if (auto* done = std::get_if<work::GenerationResult>(&event->event)) {
      outcome_.emplace(std::move(*done));
    } else {
      outcome_.emplace(std::get<work::Failure>(event->event).status());
    }
    return true;
  }

  const std::string who_;
  const ModelServer::Callbacks callbacks_;
  net::LineSplitter lines_{kMostEventBytes};
  Status broken_;
  std::optional<Result<work::GenerationResult>> outcome_;
};

}  // namespace

EngineWorker::EngineWorker(ServerSpec spec, Clock& clock) : spec_(std::move(spec)), clock_(clock) {
  socket_ = spec_.run_folder / "engine.sock";
  if (socket_.string().size() <= kMaxSocketPathBytes) return;
  socket_folder_ = std::filesystem::path("/tmp") / fmt::format("panal-{}", random_hex(12));
  socket_ = socket_folder_ / "engine.sock";
}

EngineWorker::~EngineWorker() {
  client_.reset();  // Ends the answers in progress first.
  const MutexLock lock(mutex_);
  if (child_) child_->stop(5s);
  std::error_code error;
  if (!socket_folder_.empty()) std::filesystem::remove_all(socket_folder_, error);
  // The log of an engine that never got ready is what its error message names.
  if (was_ready_) std::filesystem::remove_all(spec_.run_folder, error);
}

Result<std::unique_ptr<ModelServer>> EngineWorker::start(const ServerSpec& spec, Clock& clock) {
  std::unique_ptr<EngineWorker> worker(new EngineWorker(spec, clock));
  PANAL_TRY(worker->launch());
  return std::unique_ptr<ModelServer>(std::move(worker));
}

Status EngineWorker::launch() {
  std::error_code error;
  std::filesystem::create_directories(spec_.run_folder, error);
  if (!socket_folder_.empty() && ::mkdir(socket_folder_.c_str(), 0700) != 0) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot make {} for the engine's socket", socket_folder_.string()));
  }
  work::ServingSpec serving{.model = spec_.core};
  for (const auto& [name, folder] : spec_.adapters) serving.adapters.push_back({name, folder});
  const auto spec_file = spec_.run_folder / "spec.json";
  const auto log = spec_.run_folder / "log.txt";
  PANAL_TRY(store::write_file_atomically(store::posix_file_system(), spec_file,
                                         to_pretty(work::encode(serving))));
  PANAL_ASSIGN(const auto program, engine_program());
  PANAL_ASSIGN(
      ChildProcess child,
      ChildProcess::start(
          {program, {"serve", "--spec", spec_file.string(), "--socket", socket_.string()}, log},
          clock_));
  PANAL_TRY(wait_until_ready(child));
  was_ready_ = true;
  client_ = std::make_unique<net::HttpClient>(
      net::Endpoint::unix_socket(socket_.string()),
      net::ClientOptions{.idle_deadline = std::chrono::minutes(10)}, clock_);
  const MutexLock lock(mutex_);
  child_ = std::move(child);
  return Status();
}

Status EngineWorker::wait_until_ready(ChildProcess& child) {
  const Deadline deadline(clock_, spec_.start_deadline);
  std::optional<Status> said;
  while (true) {
    const auto line = child.read_line(deadline.left());
    if (!line.ok())
      return line.status().with_context(fmt::format("starting the engine for {}", spec_.name));
    if (!line->has_value()) break;
    const auto event = work::parse<work::JobEvent>(**line, "event of panal-engine");
    if (!event.ok()) continue;  // A library's own chatter on standard output.
    if (std::holds_alternative<work::ServerFacts>(event->event)) return Status();
    if (const auto* failure = std::get_if<work::Failure>(&event->event)) said = failure->status();
  }
  const ChildExit exit = child.stop(5s);
  if (said) return *said;
  return Status(Code::kUnavailable,
                fmt::format("the engine for {} {}; its log is {}", spec_.name, exit.shown(),
                            (spec_.run_folder / "log.txt").string()));
}

bool EngineWorker::is_lost(std::chrono::milliseconds deadline) {
  const MutexLock lock(mutex_);
  return !child_ || child_->has_ended() || (deadline > 0ms && child_->wait(deadline).ok());
}

void EngineWorker::generate(const work::Generation& request, Callbacks callbacks,
                            std::stop_token stop) {
  // Shared by the exchange's callbacks.
  const auto reader =
      std::make_shared<Reader>(fmt::format("the engine for {}", spec_.name), std::move(callbacks));
  client_->start({.method = "POST",
                  .target = "/generate",
                  .headers = {{"Content-Type", "application/json"}},
                  .body = to_line(work::encode(request))},
                 {.on_head = [reader](const auto& head) { return reader->on_head(head); },
                  .on_chunk = [reader](std::string_view chunk) { return reader->on_chunk(chunk); },
                  .on_done = [reader](auto response) { reader->on_done(response); }},
                 std::move(stop));
}

}  // namespace panal::fleet
