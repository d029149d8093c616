// The servers that run now, one per endpoint, each started when it is first needed: whoever asks
// while one starts waits for that one, and nobody waits for another's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "fleet/model_server.h"

namespace panal::fleet {

/// Thread-safe. The destructor waits for starts that are under way, and stops all servers.
class ModelServers {
 public:
  /// Blocks until the server is ready: runs on a thread of its own.
  using Start = std::function<Result<std::unique_ptr<ModelServer>>(const ServerSpec& spec)>;
  explicit ModelServers(Start start);
  ~ModelServers();
  ModelServers(const ModelServers&) = delete;
  ModelServers& operator=(const ModelServers&) = delete;

  /// Gives the request to the server of `key`, starting one where none runs or the one that runs is
  /// of another revision; that one ends with its last answer. Returns at once. A server that died
  /// is started again, and a request whose server died before its first word is asked once more:
  /// once, because it may be what kills servers. Errors as ModelServer's; a server that cannot be
  /// started is kUnavailable with the reason: that is never the request's fault.
  void generate(const std::string& key, const std::string& revision, const ServerSpec& spec,
                work::Generation request, ModelServer::Callbacks callbacks, std::stop_token stop);

  enum class State { kAbsent, kStarting, kRunning, kFailed };
  struct Condition {
    State state = State::kAbsent;
    std::string reason{};  // Of kFailed.
  };
  /// Of the server with that key and revision.
  Condition condition(const std::string& key, const std::string& revision) const;

 private:
  using Server = std::shared_ptr<ModelServer>;  // Shared with the answers in progress.
  using Waiter = std::function<void(Result<Server>)>;
  struct Slot {
    std::string revision;
    std::uint64_t generation = 0;  // Counts the starts of this key.
    State state = State::kAbsent;
    std::string reason;
    Server server;
    std::vector<Waiter> waiters;
  };
  struct Request;

  Server shared(std::unique_ptr<ModelServer> server);
  void with_server(const std::string& key, const std::string& revision, const ServerSpec& spec,
                   Waiter waiter);
  void begin_start(const std::string& key, Slot& slot, const ServerSpec& spec)
      PANAL_REQUIRES(mutex_);
  void end_start(const std::string& key, std::uint64_t generation, Result<Server> outcome);
  void ask(const std::shared_ptr<Request>& request);
  void ask_again_if_lost(const std::shared_ptr<Request>& request, const Server& server,
                         Status failure);
  /// Runs blocking work beside the callers; counted, so that the destructor can wait.
  void run_beside(std::function<void()> task);

  const Start start_;
  mutable Mutex mutex_;
  ConditionVariable idle_;
  std::map<std::string, Slot> slots_ PANAL_GUARDED_BY(mutex_);  // By key.
  std::size_t num_beside_ PANAL_GUARDED_BY(mutex_) = 0;         // Threads that do blocking work.
  std::size_t num_servers_ PANAL_GUARDED_BY(mutex_) = 0;  // That were started and not yet stopped.
  bool is_closing_ PANAL_GUARDED_BY(mutex_) = false;
  std::stop_source closing_;  // Thread-safe by itself.
};

}  // namespace panal::fleet
