// A running panal-engine that answers requests for one core and its adapters, seen from the control
// side: started as a child, asked over a unix socket only this user can open, started again when it
// died.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/timing.h"
#include "energy/meter.h"
#include "fleet/child_process.h"
#include "net/http_client.h"

namespace panal::fleet {

struct WorkerSpec {
  std::string name;                                                     // For messages.
  std::filesystem::path core;                                           // Model folder.
  std::vector<std::pair<std::string, std::filesystem::path>> adapters;  // Name and PEFT folder.
  std::filesystem::path
      run_folder;  // Socket, spec and log go here; short: a socket path has at most 107 bytes.
  std::chrono::seconds start_deadline{120};
};

/// What the worker said about a finished answer.
struct WorkerAnswer {
  std::string text;
  std::string finish_reason;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<double> time_to_first_token_ms;
  std::optional<double> tokens_per_s;
  energy::EnergyReading energy;
};

/// Thread-safe. The destructor stops the child and removes its folder.
class EngineWorker {
 public:
  ~EngineWorker();
  EngineWorker(const EngineWorker&) = delete;
  EngineWorker& operator=(const EngineWorker&) = delete;

  /// Starts the child and waits until it answers. Errors: what the engine said (a missing or
  /// corrupt model), kUnavailable when it died without a word (names the log), kDeadlineExceeded.
  /// The clock, which measures the start, outlives the worker.
  static Result<std::unique_ptr<EngineWorker>> start(WorkerSpec spec,
                                                     Clock& clock = system_clock());

  /// What an answer says while it grows, on the calling thread. Both may be empty.
  struct Progress {
    std::function<void()> on_admitted = {};  // Checked, and has its place; before any text.
    std::function<void(std::string_view text)> on_text = {};
  };
  /// Sends a request, an object as panal-engine's /generate reads it, and streams its text. A child
  /// that died is started again first; one that dies before its first word is asked once more.
  /// Errors: the engine's own, kUnavailable, kCancelled.
  Result<WorkerAnswer> generate(const Json& request, const Progress& progress,
                                std::stop_token stop);

 private:
  EngineWorker(WorkerSpec spec, Clock& clock);
  struct Attempt {
    Result<WorkerAnswer> outcome;
    int launch = 0;        // Which of the children was asked, counted from 1.
    bool was_cut = false;  // The engine did not say how it ended.
    bool gave_text = false;
  };
  Status launch();
  /// Gives the number of the child that lives now.
  Result<int> ensure_alive();
  /// True when that child is gone, or goes within the deadline.
  bool is_lost(int launch, std::chrono::milliseconds deadline);
  Attempt ask(const Json& request, const Progress& progress, std::stop_token stop);

  const WorkerSpec spec_;
  Clock& clock_;
  const net::HttpClient client_;  // Keeps its connections to the child.
  mutable std::mutex mutex_;
  int num_launches_ = 0;               // Guarded by mutex_: children that got ready.
  std::optional<ChildProcess> child_;  // Guarded by mutex_.
};

}  // namespace panal::fleet
