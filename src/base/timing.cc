#include "base/timing.h"

#include <time.h>

namespace panal {

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Nanoseconds process_cpu_time() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + Nanoseconds(used.tv_nsec);
}

}  // namespace panal
