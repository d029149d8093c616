// A hub::AnswerService that does what a test wrote down: text pieces, an error, or waiting for the
// client to leave. Each script runs on a thread of its own, as an answer comes from elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "hub/answer_service.h"
#include "tests/patience.h"

namespace panal::api {

using hub::AnswerSink;
using hub::AnswerSummary;

inline bool wait_for_stop(std::stop_token token) {
  std::promise<void> stopped;
  const std::stop_callback on_stop(token, [&] { stopped.set_value(); });
  return stopped.get_future().wait_for(kPatience) == std::future_status::ready;
}

class ScriptedService final : public hub::AnswerService {
 public:
  using Script =
      std::function<Result<AnswerSummary>(const work::Generation&, AnswerSink&, std::stop_token)>;

  explicit ScriptedService(Script script) : script_(std::move(script)) {}

  std::vector<hub::ModelEntry> models() override {
    return {{.id = "bee",
             .created_unix_s = 1'700'000'000,
             .experts = {{.name = "legal"}, {.name = "spanish"}}},
            {.id = "hive/queen", .created_unix_s = 1'700'000'001}};
  }
  Status ready() override { return ready_status; }
  void answer(work::Generation request, std::shared_ptr<AnswerSink> sink,
              std::stop_token stop) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    threads_.emplace_back([this, request, sink, stop] {
      sink->done(capture([&] { return script_(request, *sink, stop); }));
    });
  }
  std::vector<work::Generation> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  Status ready_status;  // Set before the server starts.

 private:
  const Script script_;
  mutable std::mutex mutex_;
  std::vector<work::Generation> requests_;  // Guarded by mutex_, as threads_.
  std::vector<std::jthread> threads_;       // Joined first.
};

/// Says "Hello, wörld" in three pieces.
inline Result<AnswerSummary> greet(const work::Generation&, AnswerSink& sink, std::stop_token) {
  sink.route("legal");
  sink.text("Hello");
  sink.text(", ");
  sink.text("w\xC3\xB6rld");
  AnswerSummary summary{
      .finish_reason = work::FinishReason::kLength, .prompt_tokens = 7, .completion_tokens = 3};
  summary.trace.parts.push_back({.expert = "legal"});
  return summary;
}

}  // namespace panal::api
