// What a job tells its parent: one JSON object per line on the standard output it was started with.
// Whatever libraries print goes to standard error, so that a line is always ours.
#pragma once

#include "base/json.h"
#include "base/mutex.h"
#include "base/result.h"
#include "work/job_event.h"

namespace panal::engine {

/// Thread-safe. At most one per process: it takes standard output for itself.
class EventWriter {
 public:
  EventWriter();
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  /// A parent that is gone is not an error: the job ends by other means.
  void write(const work::JobEvent& event);
  void result(Json value) { write({work::JobDone{std::move(value)}}); }
  void error(const Status& status) { write({work::Failure::of(status)}); }

 private:
  Mutex mutex_;
  int output_ PANAL_GUARDED_BY(mutex_);  // Lines are written one after the other.
};

}  // namespace panal::engine
