#include "base/yield.h"

#include <thread>

#include "base/timing.h"

namespace panal {

bool yield_briefly(const Clock& clock) {
  constexpr auto kLate = std::chrono::microseconds(500);
  const Stopwatch watch(clock);
  std::this_thread::yield();
  return watch.elapsed() < kLate;
}

}  // namespace panal
