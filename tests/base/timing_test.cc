// Stopwatches and deadlines on a clock that moves only when told to.
#include "base/timing.h"

#include <gtest/gtest.h>

namespace panal {
namespace {

TEST(Stopwatch, MeasuresFromItsLastStart) {
  ManualClock clock;
  Stopwatch watch(clock);
  clock.advance(std::chrono::milliseconds(1500));
  EXPECT_EQ(watch.elapsed_s(), 1.5);
  watch.restart();
  EXPECT_EQ(watch.elapsed().count(), 0);
}

TEST(Deadline, SaysWhatIsLeftAndNeverLessThanNothing) {
  ManualClock clock;
  const Deadline deadline(clock, std::chrono::milliseconds(100));
  EXPECT_EQ(deadline.left().count(), 100);
  clock.advance(std::chrono::microseconds(500));
  EXPECT_EQ(deadline.left().count(), 100);  // Rounded up: who waits so long comes too late.
  EXPECT_FALSE(deadline.is_over());
  EXPECT_EQ(deadline.within(std::chrono::milliseconds(10)).left().count(), 10);
  EXPECT_EQ(deadline.within(std::chrono::seconds(10)).left().count(), 100);
  clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(deadline.is_over());
  EXPECT_EQ(deadline.left().count(), 0);
}

TEST(ProcessCpuTime, GrowsWithWork) {
  const Nanoseconds before = process_cpu_time();
  volatile double sum = 0;
  while (process_cpu_time() == before) sum = sum + 1;
  EXPECT_GT(process_cpu_time(), before);
}

}  // namespace
}  // namespace panal
