// A process that serves one core with its adapters, as the control side sees it. Its real form is a
// panal-engine; tests have a scripted one.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "work/generation.h"

namespace panal::fleet {

struct ServerSpec {
  std::string name{};                                                     // For messages.
  std::filesystem::path core{};                                           // Model folder.
  std::vector<std::pair<std::string, std::filesystem::path>> adapters{};  // Name, PEFT folder.
  std::filesystem::path run_folder{};  // Spec, log and, where its path is short enough, the socket.
  std::chrono::seconds start_deadline{120};
};

class ModelServer {
 public:
  /// One at a time per request, on one of the server's threads: they return soon. on_done comes
  /// exactly once, last.
  struct Callbacks {
    std::function<void()> on_admitted{};  // May be empty. The request is sound and has its place.
    std::function<void(std::string_view)> on_text{};  // May be empty.
    std::function<void(Result<work::GenerationResult>)> on_done{};
  };
  virtual ~ModelServer() = default;
  /// Begins an answer and returns at once. Errors of on_done: the model's own (kInvalidArgument,
  /// kNotFound, kResourceExhausted), kUnavailable when the process does not say how it ended,
  /// kCancelled.
  virtual void generate(const work::Generation& request, Callbacks callbacks,
                        std::stop_token stop) = 0;
  /// True when the process is gone, or goes within the deadline, for which it may block.
  virtual bool is_lost(std::chrono::milliseconds deadline) = 0;
};

}  // namespace panal::fleet
