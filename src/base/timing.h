// What measures time with a Clock: stopwatches, deadlines, and the clock of those who need no
// other.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace panal {

/// One for the whole process, where nobody needs another.
Clock& system_clock();

/// How long something takes, from its making or its last restart on.
class Stopwatch {
 public:
  /// The clock outlives the stopwatch.
  explicit Stopwatch(const Clock& clock = system_clock())
      : clock_(clock), started_(clock.steady_now()) {}
  Nanoseconds elapsed() const { return clock_.steady_now() - started_; }
  double elapsed_s() const { return std::chrono::duration<double>(elapsed()).count(); }
  void restart() { started_ = clock_.steady_now(); }

 private:
  const Clock& clock_;
  Nanoseconds started_;
};

/// The moment by which something must have happened.
class Deadline {
 public:
  /// The clock outlives the deadline.
  Deadline(Clock& clock, Nanoseconds from_now)
      : clock_(&clock), at_(clock.steady_now() + from_now) {}
  bool is_over() const { return clock_->steady_now() >= at_; }
  /// Rounded up, for poll() and its like; 0 when it is over.
  std::chrono::milliseconds left() const {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(at_ - clock_->steady_now()),
                    std::chrono::milliseconds(0));
  }
  /// The earlier of this one and of `from_now`.
  Deadline within(Nanoseconds from_now) const {
    const Deadline other(*clock_, from_now);
    return other.at_ < at_ ? other : *this;
  }
  void sleep_for(Nanoseconds duration) const { clock_->sleep_for(duration); }

 private:
  Clock* clock_;
  Nanoseconds at_;
};

/// Processor time that all threads of this process have used.
Nanoseconds process_cpu_time();

}  // namespace panal
