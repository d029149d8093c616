// What every command works with: the terminal, the request to stop, and the hive of this user.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "cli/terminal.h"
#include "hub/hive.h"

namespace panal::cli {

/// The hive is opened when first used, so that commands that need no home never make one.
class Workspace {
 public:
  /// Jobs run where `runner` runs them; both must outlive the workspace.
  Workspace(Terminal& terminal, std::stop_token stop, hub::JobRunner& runner)
      : terminal_(terminal), stop_(std::move(stop)), runner_(runner) {}

  Terminal& terminal() { return terminal_; }
  std::stop_token stop() const { return stop_; }
  SystemClock& clock() { return clock_; }
  /// Errors: those of open_home and Hive::open.
  Result<hub::Hive*> hive();
  /// Shows on the terminal what a call tells, and stops it when the user wants to.
  hub::Watch watch();

  /// The hive's catalogue.
  Result<registry::Catalogue*> catalogue();
  /// A job without more to it than its outcome. `title` stands beside the progress.
  template <work::Job Job>
  Result<typename Job::Outcome> run_job(const Job& job, const std::string& title) {
    PANAL_ASSIGN(hub::Hive * hive, this->hive());
    auto outcome = hive->run_job(job, {.activity = title}, watch());
    terminal_.end_progress();
    return outcome;
  }

 private:
  Terminal& terminal_;
  const std::stop_token stop_;
  hub::JobRunner& runner_;
  SystemClock clock_;
  std::unique_ptr<hub::Hive> hive_;
};

/// A call's event as a person sees it.
void show_event(const hub::Event& event, Terminal& terminal);

}  // namespace panal::cli
