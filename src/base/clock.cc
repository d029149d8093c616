#include "base/clock.h"

#include <ctime>
#include <thread>

namespace panal {

Nanoseconds SystemClock::steady_now() const {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::int64_t SystemClock::unix_ms() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void SystemClock::sleep_for(Nanoseconds duration) { std::this_thread::sleep_for(duration); }

Nanoseconds ManualClock::steady_now() const {
  const MutexLock lock(mutex_);
  return elapsed_;
}

std::int64_t ManualClock::unix_ms() const {
  const MutexLock lock(mutex_);
  return start_unix_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(elapsed_).count();
}

void ManualClock::advance(Nanoseconds duration) {
  const MutexLock lock(mutex_);
  elapsed_ += duration;
}

double seconds(Nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

std::string iso_time(std::int64_t unix_ms) {
  const std::time_t whole_seconds = unix_ms / 1000;
  std::tm parts{};
  gmtime_r(&whole_seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace panal
