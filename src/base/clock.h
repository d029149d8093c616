// Time as a dependency, so that tests can move it. Wall time is for people, steady time for
// measuring.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/mutex.h"

namespace panal {

using Nanoseconds = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Time since an arbitrary start; never goes back.
  virtual Nanoseconds steady_now() const = 0;
  /// Milliseconds since 1970-01-01 UTC; may jump when the machine's clock is set.
  virtual std::int64_t unix_ms() const = 0;
  virtual void sleep_for(Nanoseconds duration) = 0;
};

/// The machine's clock. Stateless: one instance serves every thread.
class SystemClock final : public Clock {
 public:
  Nanoseconds steady_now() const override;
  std::int64_t unix_ms() const override;
  void sleep_for(Nanoseconds duration) override;
};

/// A clock that moves only when told to. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_unix_ms = 1'700'000'000'000)
      : start_unix_ms_(start_unix_ms) {}
  Nanoseconds steady_now() const override;
  std::int64_t unix_ms() const override;
  void sleep_for(Nanoseconds duration) override { advance(duration); }
  void advance(Nanoseconds duration);

 private:
  const std::int64_t start_unix_ms_;
  mutable Mutex mutex_;
  Nanoseconds elapsed_ PANAL_GUARDED_BY(mutex_){0};
};

/// Seconds as a double, for rates and reports.
double seconds(Nanoseconds duration);
/// "2026-03-01T12:30:05Z" for milliseconds since 1970.
std::string iso_time(std::int64_t unix_ms);

}  // namespace panal
