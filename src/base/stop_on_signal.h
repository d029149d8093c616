// Ctrl-C and kill become a stop request: work looks at a stop_token and ends cleanly.
#pragma once

#include <signal.h>

#include <stop_token>
#include <thread>

namespace panal {

/// Blocks SIGINT and SIGTERM for the whole process and turns the first one into a stop request; a
/// second one ends the process at once with exit code 130. SIGPIPE is ignored. Make one, in main's
/// thread, before any other thread.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  std::stop_token token() const { return stop_.get_token(); }

 private:
  sigset_t signals_;
  std::stop_source stop_;
  std::jthread thread_;
};

/// Returns when a stop is requested; for threads that only wait until others are to end.
void wait_for_stop(const std::stop_token& stop);

}  // namespace panal
