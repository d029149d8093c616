#include "base/stop_on_signal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/patience.h"

namespace panal {
namespace {

TEST(WaitForStop, ReturnsAtOnceWhenTheStopWasRequestedBefore) {
  std::stop_source stop;
  stop.request_stop();
  wait_for_stop(stop.get_token());
  EXPECT_TRUE(stop.stop_requested());
}

TEST(WaitForStop, ReturnsWhenAnotherThreadRequestsTheStop) {
  std::stop_source stop;
  std::atomic<bool> is_waiting{false}, has_returned{false};
  std::thread waiter([&] {
    is_waiting = true;
    wait_for_stop(stop.get_token());
    has_returned = true;
  });
  EXPECT_TRUE(eventually([&] { return is_waiting.load(); }));
  EXPECT_FALSE(has_returned);
  stop.request_stop();
  EXPECT_TRUE(eventually([&] { return has_returned.load(); }));
  waiter.join();
}

}  // namespace
}  // namespace panal
