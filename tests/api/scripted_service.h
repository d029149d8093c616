// An AnswerService that does what a test wrote down: text pieces, an error, or waiting for the
// client to leave.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "api/answer_service.h"
#include "tests/patience.h"

namespace panal::api {

inline bool wait_for_stop(std::stop_token token) {
  std::promise<void> stopped;
  const std::stop_callback on_stop(token, [&] { stopped.set_value(); });
  return stopped.get_future().wait_for(kPatience) == std::future_status::ready;
}

class ScriptedService final : public AnswerService {
 public:
  using Script =
      std::function<Result<AnswerSummary>(const AnswerRequest&, AnswerSink&, std::stop_token)>;

  explicit ScriptedService(Script script) : script_(std::move(script)) {}

  std::vector<ModelEntry> models() override {
    return {
        {.id = "bee",
         .created_unix_s = 1'700'000'000,
         .owned_by = "panal",
         .details = {{"experts", {"legal", "spanish"}}}},
        {.id = "hive/queen", .created_unix_s = 1'700'000'001, .owned_by = "panal", .details = {}}};
  }
  Status ready() override { return ready_status; }
  Result<AnswerSummary> answer(const AnswerRequest& request, AnswerSink& sink,
                               std::stop_token stop) override {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    return script_(request, sink, stop);
  }
  std::vector<AnswerRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  Status ready_status;  // Set before the server starts.

 private:
  const Script script_;
  mutable std::mutex mutex_;
  std::vector<AnswerRequest> requests_;  // Guarded by mutex_.
};

/// Says "Hello, wörld" in three pieces.
inline Result<AnswerSummary> greet(const AnswerRequest&, AnswerSink& sink, std::stop_token) {
  sink.route("legal");
  sink.text("Hello");
  sink.text(", ");
  sink.text("w\xC3\xB6rld");
  AnswerSummary summary{.finish_reason = "length", .prompt_tokens = 7, .completion_tokens = 3};
  summary.trace = {{"parts", {{{"expert", "legal"}, {"joules", nullptr}}}}};
  return summary;
}

}  // namespace panal::api
