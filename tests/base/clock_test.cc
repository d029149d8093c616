// Time that moves only when told to, and dates as people read them.
#include "base/clock.h"

#include <gtest/gtest.h>

namespace panal {
namespace {

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(1'000'000);
  EXPECT_EQ(clock.unix_ms(), 1'000'000);
  EXPECT_EQ(clock.steady_now().count(), 0);
  clock.advance(std::chrono::milliseconds(1500));
  clock.sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(clock.unix_ms(), 1'002'000);
  EXPECT_EQ(seconds(clock.steady_now()), 2.0);
}

TEST(SystemClock, NeverGoesBackAndKnowsTheYear) {
  SystemClock clock;
  Nanoseconds last = clock.steady_now();
  for (int i = 0; i < 1000; ++i) {
    const Nanoseconds now = clock.steady_now();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(clock.unix_ms(), 1'700'000'000'000);
}

TEST(IsoTime, IsWrittenInUtc) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso_time(1'772'368'205'999), "2026-03-01T12:30:05Z");
}

}  // namespace
}  // namespace panal
