// One answer in progress: the calls for its parts, what each of them gave, and the text in order.
// Shared by the callbacks of its calls, and gone with the last of them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "orchestrator/detail/busy_time.h"
#include "orchestrator/detail/turns.h"
#include "orchestrator/orchestrator.h"

namespace panal::orchestrator::detail {

class AnswerRun : public std::enable_shared_from_this<AnswerRun> {
 public:
  struct Parts {
    OrchestratorOptions options;
    work::Generation request;
    std::shared_ptr<const Endpoint> endpoint;
    std::shared_ptr<ExpertCaller> caller;
    std::shared_ptr<AnswerSink> sink;
  };
  AnswerRun(Parts parts, Clock& clock, std::vector<PlannedPart> plan);
  void start(std::stop_token cancel);

 private:
  using Outcome = Result<work::GenerationResult>;
  /// What became of one part, or, in a panel, of one candidate for the only part.
  struct Task {
    PlannedPart plan;
    std::string answered_by{};
    std::string fallback{};
    Outcome outcome = Status(Code::kCancelled, "the request was cancelled");
    std::vector<work::EnergyReading> energies{};  // Of each call made for it.
    double agreement = 0;                         // Panel: mean word overlap with the others.
  };

  bool is_panel() const;
  void start_next();
  void call(std::size_t task, const std::string& expert);
  void on_text(std::size_t task, std::string_view text);
  void on_outcome(std::size_t task, const std::string& expert, Outcome outcome);
  bool fall_back(std::size_t task, const std::string& expert, const Status& status);
  void end_task(std::size_t task);
  void finish();
  std::string heading(std::size_t task);
  std::string apology(std::size_t task);
  bool deliver(std::string_view text);

  std::size_t choose_candidate() PANAL_REQUIRES(mutex_);
  void finish_panel();

  work::PartTrace trace_of(std::size_t index, const Task& task) const;
  Answer sum_up(const std::vector<Task>& tasks);

  const Parts parts_;
  Clock& clock_;
  const Nanoseconds begin_;
  std::stop_source cancel_;
  std::optional<std::stop_callback<std::function<void()>>> passes_cancel_on_;
  BusyTime busy_;
  Turns turns_;
  std::string text_;  // What was delivered; touched only while delivering, and after.
  std::vector<std::string> panel_lines_;  // Set before the end.

  Mutex mutex_;
  std::vector<Task> tasks_ PANAL_GUARDED_BY(mutex_);
  std::size_t next_task_ PANAL_GUARDED_BY(mutex_) = 0;
  std::size_t num_ended_ PANAL_GUARDED_BY(mutex_) = 0;
  bool was_admitted_ PANAL_GUARDED_BY(mutex_) = false;
};

}  // namespace panal::orchestrator::detail
