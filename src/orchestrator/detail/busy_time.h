// How long at least one call was under way: what is left of the wall time is the orchestrator's
// own.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace panal::orchestrator::detail {

class BusyTime {
 public:
  explicit BusyTime(const Clock& clock) : clock_(clock) {}
  void begin() {
    const MutexLock lock(mutex_);
    if (num_active_++ == 0) since_ = clock_.steady_now();
  }
  void end() {
    const MutexLock lock(mutex_);
    if (--num_active_ == 0) total_ += clock_.steady_now() - since_;
  }
  Nanoseconds total() const {
    const MutexLock lock(mutex_);
    return total_;
  }

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  int num_active_ PANAL_GUARDED_BY(mutex_) = 0;
  Nanoseconds since_ PANAL_GUARDED_BY(mutex_){0};
  Nanoseconds total_ PANAL_GUARDED_BY(mutex_){0};
};

}  // namespace panal::orchestrator::detail
