// A running panal-engine that answers requests for one core and its adapters: started as a child,
// asked over a unix socket only this user can open. An answer in progress costs no thread.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "fleet/child_process.h"
#include "fleet/model_server.h"
#include "net/http_client.h"

namespace panal::fleet {

/// Thread-safe. The destructor stops the child and removes its folder.
class EngineWorker final : public ModelServer {
 public:
  /// Starts the child and waits until it has loaded the model and listens. Errors: what the engine
  /// said (a missing or corrupt model), kUnavailable when it died without a word (names the log),
  /// kDeadlineExceeded. The clock, which measures deadlines, outlives the worker.
  static Result<std::unique_ptr<ModelServer>> start(const ServerSpec& spec,
                                                    Clock& clock = system_clock());
  ~EngineWorker() override;
  EngineWorker(const EngineWorker&) = delete;
  EngineWorker& operator=(const EngineWorker&) = delete;

  void generate(const work::Generation& request, Callbacks callbacks,
                std::stop_token stop) override;
  bool is_lost(std::chrono::milliseconds deadline) override;

 private:
  EngineWorker(ServerSpec spec, Clock& clock);
  Status launch();
  Status wait_until_ready(ChildProcess& child);

  const ServerSpec spec_;
  Clock& clock_;
  /// Where the socket lies: the run folder, or one of its own where that path would be too long.
  std::filesystem::path socket_;
  std::filesystem::path socket_folder_;  // To remove; empty when it is the run folder.
  bool was_ready_ = false;
  std::unique_ptr<net::HttpClient> client_;
  Mutex mutex_;
  std::optional<ChildProcess> child_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace panal::fleet
