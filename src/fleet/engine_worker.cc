#include "fleet/engine_worker.h"

#include <fmt/format.h>

#include "base/log.h"
#include "net/stream_parsers.h"
#include "store/file_system.h"

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

constexpr char kSocketName[] = "engine.sock";

std::optional<double> optional_number(const Json& object, const char* key) {
  if (!json_has(object, key) || !object.at(key).is_number()) return std::nullopt;
  return object.at(key).get<double>();
}

Status status_of(const Json& error) {
  return Status(code_from_name(error.value("code", "internal")),
                error.value("message", "the engine failed without a message"));
}

Result<WorkerAnswer> answer_of(const Json& done, std::string text) {
  WorkerAnswer answer;
  answer.text = std::move(text);
  PANAL_ASSIGN(answer.finish_reason, json_string(done, "finish_reason", "answer of panal-engine"));
  PANAL_ASSIGN(answer.prompt_tokens,
               json_integer(done, "prompt_tokens", "answer of panal-engine", 0, INT64_MAX));
  PANAL_ASSIGN(answer.completion_tokens,
               json_integer(done, "completion_tokens", "answer of panal-engine", 0, INT64_MAX));
  answer.time_to_first_token_ms = optional_number(done, "time_to_first_token_ms");
  answer.tokens_per_s = optional_number(done, "tokens_per_s");
  if (json_has(done, "energy") && done.at("energy").is_object()) {
    const Json& energy = done.at("energy");
    answer.energy = {optional_number(energy, "joules"), energy.value("method", "unknown"),
                     energy.value("detail", "")};
  }
  return answer;
}

}  // namespace

EngineWorker::EngineWorker(WorkerSpec spec, Clock& clock)
    : spec_(std::move(spec)),
      clock_(clock),
      client_(net::Endpoint::unix_socket((spec_.run_folder / kSocketName).string()),
              {.idle_deadline = std::chrono::minutes(10)}, clock) {}

EngineWorker::~EngineWorker() {
  const std::lock_guard lock(mutex_);
  if (child_) child_->stop(5s);
  // The log of an engine that never got ready is what its error message names.
  std::error_code error;
  if (num_launches_ > 0) std::filesystem::remove_all(spec_.run_folder, error);
}

Result<std::unique_ptr<EngineWorker>> EngineWorker::start(WorkerSpec spec, Clock& clock) {
  std::unique_ptr<EngineWorker> worker(new EngineWorker(std::move(spec), clock));
  const std::lock_guard lock(worker->mutex_);
  PANAL_TRY(worker->launch());
  return worker;
}

// Called with mutex_ held: other requests for this worker can do nothing but wait for it.
Status EngineWorker::launch() {
  std::error_code error;
  std::filesystem::create_directories(spec_.run_folder, error);
  Json adapters = Json::array();
  for (const auto& [name, folder] : spec_.adapters)
    adapters.push_back({{"name", name}, {"folder", folder.string()}});
  const auto spec_file = spec_.run_folder / "spec.json";
  const auto log = spec_.run_folder / "log.txt";
  PANAL_TRY(store::write_file_atomically(
      store::posix_file_system(), spec_file,
      to_pretty(Json{{"model", spec_.core.string()}, {"adapters", adapters}})));
  PANAL_ASSIGN(const auto program, engine_program());
  PANAL_ASSIGN(child_, ChildProcess::start({program,
                                            {"serve", "--spec", spec_file.string(), "--socket",
                                             (spec_.run_folder / kSocketName).string()},
                                            log}));
  const Deadline until(clock_, spec_.start_deadline);
  std::optional<Status> said;
  while (true) {
    const auto line = child_->read_line(until.left());
    if (!line.ok())
      return line.status().with_context(fmt::format("starting the engine for {}", spec_.name));
    if (!line->has_value()) break;
    const auto event = parse_json(**line, "event of panal-engine");
    if (!event.ok() || !event->is_object()) continue;
    if (event->value("event", "") == "ready") {
      ++num_launches_;
      return Status();
    }
    if (event->value("event", "") == "error") said = status_of(*event);
  }
  const ChildExit exit = child_->stop(5s);
  if (said) return *said;
  return Status(Code::kUnavailable, fmt::format("the engine for {} {}; its log is {}", spec_.name,
                                                exit.shown(), log.string()));
}

Result<int> EngineWorker::ensure_alive() {
  const std::lock_guard lock(mutex_);
  if (child_ && !child_->has_ended()) return num_launches_;
  log_warning(fmt::format("the engine for {} ended; starting it again", spec_.name));
  PANAL_TRY(launch());
  return num_launches_;
}

Result<WorkerAnswer> EngineWorker::generate(const Json& request, const Progress& progress,
                                            std::stop_token stop) {
  Attempt attempt = ask(request, progress, stop);
  // A killed engine breaks connections a moment before it can be waited for. Nobody saw a word of
  // this answer, so it is safe to ask again, once: the request itself may be what kills engines.
  if (attempt.was_cut && !attempt.gave_text && !stop.stop_requested() &&
      is_lost(attempt.launch, 2s))
    attempt = ask(request, progress, stop);
  return std::move(attempt.outcome);
}

bool EngineWorker::is_lost(int launch, std::chrono::milliseconds deadline) {
  const std::lock_guard lock(mutex_);
  // Another request may have started the next child already.
  return launch != num_launches_ || (child_ && child_->wait(deadline).ok());
}

EngineWorker::Attempt EngineWorker::ask(const Json& request, const Progress& progress,
                                        std::stop_token stop) {
  const auto alive = ensure_alive();
  if (!alive.ok()) return {.outcome = alive.status()};
  net::ClientRequest http{.method = "POST",
                          .target = "/generate",
                          .headers = {{"Content-Type", "application/json"}},
                          .body = to_line(request)};
  std::string text;
  std::optional<Result<WorkerAnswer>> outcome;
  const auto on_line = [&](std::string_view line) {
    if (line.empty()) return true;
    const auto message = parse_json(line, "answer of panal-engine");
    if (!message.ok()) {
      outcome = message.status();
    } else if (json_has(*message, "text") && message->at("text").is_string()) {
      const auto& piece = message->at("text").get_ref<const std::string&>();
      text += piece;
      if (progress.on_text) progress.on_text(piece);
    } else if (json_has(*message, "done")) {
      outcome = answer_of(message->at("done"), text);
    } else if (json_has(*message, "error")) {
      outcome = Result<WorkerAnswer>(status_of(message->at("error")));
    }
    return true;
  };
  net::LineSplitter lines;
  Status broken;
  const auto response = client_.stream(
      http,
      [&](std::string_view chunk) {
        broken = lines.push(chunk, on_line);
        return broken.ok();
      },
      stop,
      [&](const net::ClientResponse& head) {
        if (head.status < 400 && progress.on_admitted) progress.on_admitted();
        return true;
      });
  if (outcome) return {.outcome = *std::move(outcome)};
  if (!broken.ok()) return {.outcome = broken};
  if (response.ok() && response->status >= 400) {
    const auto body = parse_json(response->body, "answer of panal-engine");
    if (!body.ok()) return {.outcome = body.status()};
    if (json_has(*body, "error")) return {.outcome = status_of(body->at("error"))};
  }
  const std::string who = fmt::format("the engine for {}", spec_.name);
  return {.outcome = response.ok()
                         ? Status(Code::kUnavailable, who + " ended in the middle of an answer")
                         : response.status().with_context(who),
          .launch = *alive,
          .was_cut = true,
          .gave_text = !text.empty()};
}

}  // namespace panal::fleet
