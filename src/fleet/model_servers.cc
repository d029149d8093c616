#include "fleet/model_servers.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace panal::fleet {
namespace {

using namespace std::chrono_literals;

// A killed process breaks connections a moment before it can be waited for.
constexpr auto kDeathDeadline = 2000ms;

}  // namespace

struct ModelServers::Request {
  std::string key;
  std::string revision;
  ServerSpec spec;
  work::Generation generation;
  ModelServer::Callbacks callbacks;
  std::stop_source cancel{};  // By the caller, or because the hub stops.
  std::optional<std::stop_callback<std::function<void()>>> on_stop{}, on_closing{};
  Server server{};  // Kept until its answer is done, however long it keeps the callbacks.
  bool gave_text = false;
  bool was_repeated = false;
};

ModelServers::ModelServers(Start start) : start_(std::move(start)) {}

ModelServers::~ModelServers() {
  {
    const MutexLock lock(mutex_);
    is_closing_ = true;
  }
  closing_.request_stop();
  const MutexLock lock(mutex_);
  while (num_beside_ > 0) idle_.wait(mutex_);
  std::map<std::string, Slot> slots;
  slots.swap(slots_);
  {
    const MutexUnlock unlocked(mutex_);
    slots.clear();
  }
  while (num_beside_ > 0 || num_servers_ > 0) idle_.wait(mutex_);
}

// The last holder may be an answer that ends on the server's own thread, where it cannot be
// stopped.
ModelServers::Server ModelServers::shared(std::unique_ptr<ModelServer> server) {
  {
    const MutexLock lock(mutex_);
    ++num_servers_;
  }
  return Server(server.release(), [this](ModelServer* last) {
    run_beside([this, last] {
      delete last;
      const MutexLock lock(mutex_);
      --num_servers_;
    });
  });
}

void ModelServers::run_beside(std::function<void()> task) {
  {
    const MutexLock lock(mutex_);
    ++num_beside_;
  }
  std::thread([this, task = std::move(task)] {
    const Status status = capture([&]() -> Status {
      task();
      return Status();
    });
    if (!status.ok()) log_error("serving: " + status.message());
    const MutexLock lock(mutex_);
    --num_beside_;
    idle_.notify_all();
  }).detach();
}

void ModelServers::with_server(const std::string& key, const std::string& revision,
                               const ServerSpec& spec, Waiter waiter) {
  Server running;
  Server replaced;  // Let go without the lock. It ends with its last answer.
  bool is_closing = false;
  {
    const MutexLock lock(mutex_);
    Slot& slot = slots_[key];
    const bool is_same = slot.revision == revision;
    is_closing = is_closing_;
    if (is_same && slot.state == State::kRunning && !slot.server->is_lost(0ms)) {
      running = slot.server;
    } else if (!is_closing) {
      slot.waiters.push_back(std::move(waiter));
      if (is_same && slot.state == State::kStarting) return;
      if (is_same && slot.state == State::kRunning)
        log_warning(fmt::format("the engine for {} ended; starting it again", spec.name));
      slot.revision = revision;
      replaced = std::exchange(slot.server, nullptr);
      begin_start(key, slot, spec);
      return;
    }
  }
  if (is_closing) return waiter(Status(Code::kUnavailable, "the hub is stopping"));
  waiter(running);
}

void ModelServers::begin_start(const std::string& key, Slot& slot, const ServerSpec& spec) {
  slot.state = State::kStarting;
  slot.reason.clear();
  const std::uint64_t generation = ++slot.generation;
  ++num_beside_;
  std::thread([this, key, spec, generation] {
    auto started = capture([&] { return start_(spec); });
    end_start(key, generation,
              started.ok()
                  ? Result<Server>(shared(std::move(started).value()))
                  : Result<Server>(Status(Code::kUnavailable, started.status().message())));
    const MutexLock lock(mutex_);
    --num_beside_;
    idle_.notify_all();
  }).detach();
}

void ModelServers::end_start(const std::string& key, std::uint64_t generation,
                             Result<Server> outcome) {
  std::vector<Waiter> waiters;
  {
    const MutexLock lock(mutex_);
    Slot& slot = slots_[key];
    // A newer revision was asked for meanwhile: whoever waits is served by that one.
    if (slot.generation != generation) return;
    slot.state = outcome.ok() ? State::kRunning : State::kFailed;
    if (outcome.ok()) {
      slot.server = *outcome;
    } else {
      slot.reason = outcome.status().message();
    }
    waiters.swap(slot.waiters);
  }
  for (const Waiter& waiter : waiters) waiter(outcome);
}

ModelServers::Condition ModelServers::condition(const std::string& key,
                                                const std::string& revision) const {
  const MutexLock lock(mutex_);
  const auto slot = slots_.find(key);
  if (slot == slots_.end() || slot->second.revision != revision) return {};
  if (slot->second.state == State::kRunning && slot->second.server->is_lost(0ms)) return {};
  return {slot->second.state, slot->second.reason};
}

void ModelServers::generate(const std::string& key, const std::string& revision,
                            const ServerSpec& spec, work::Generation request,
                            ModelServer::Callbacks callbacks, std::stop_token stop) {
  // Shared by the callbacks of the answer.
  const auto made = std::make_shared<Request>();
  made->key = key;
  made->revision = revision;
  made->spec = spec;
  made->generation = std::move(request);
  made->callbacks = std::move(callbacks);
  const auto cancel = [source = made->cancel]() mutable { source.request_stop(); };
  made->on_stop.emplace(stop, cancel);
  made->on_closing.emplace(closing_.get_token(), cancel);
  ask(made);
}

void ModelServers::ask(const std::shared_ptr<Request>& request) {
  with_server(
      request->key, request->revision, request->spec, [this, request](Result<Server> found) {
        if (!found.ok()) return request->callbacks.on_done(found.status());
        if (request->cancel.stop_requested()) {
          return request->callbacks.on_done(Status(Code::kCancelled, "the request was cancelled"));
        }
        const Server server = *found;
        request->server = server;
        ModelServer::Callbacks callbacks;
        callbacks.on_admitted = [request] {
          if (request->callbacks.on_admitted) request->callbacks.on_admitted();
        };
        callbacks.on_text = [request](std::string_view text) {
          request->gave_text = true;
          if (request->callbacks.on_text) request->callbacks.on_text(text);
        };
        callbacks.on_done = [this, request](Result<work::GenerationResult> outcome) {
          const Server server = std::exchange(request->server, nullptr);
          const bool may_repeat = !outcome.ok() && outcome.code() == Code::kUnavailable &&
                                  !request->gave_text && !request->was_repeated &&
                                  !request->cancel.stop_requested();
          if (!may_repeat) return request->callbacks.on_done(std::move(outcome));
          run_beside([this, request, server, failure = outcome.status()] {
            ask_again_if_lost(request, server, failure);
          });
        };
        server->generate(request->generation, std::move(callbacks), request->cancel.get_token());
      });
}

void ModelServers::ask_again_if_lost(const std::shared_ptr<Request>& request, const Server& server,
                                     Status failure) {
  if (!server->is_lost(kDeathDeadline)) return request->callbacks.on_done(std::move(failure));
  request->was_repeated = true;
  ask(request);
}

}  // namespace panal::fleet
