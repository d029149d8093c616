// How long at least one call was under way: what is left of the wall time is the orchestrator's
// own.
#pragma once

#include <mutex>

#include "base/clock.h"

namespace panal::orchestrator::detail {

class BusyTime {
 public:
  explicit BusyTime(const Clock& clock) : clock_(clock) {}
  void begin() {
    const std::scoped_lock lock(mutex_);
    if (num_active_++ == 0) since_ = clock_.steady_now();
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    if (--num_active_ == 0) total_ += clock_.steady_now() - since_;
  }
  Nanoseconds total() const {
    const std::scoped_lock lock(mutex_);
    return total_;
  }

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  int num_active_ = 0;  // Guarded by mutex_, like all below.
  Nanoseconds since_{0};
  Nanoseconds total_{0};
};

}  // namespace panal::orchestrator::detail
