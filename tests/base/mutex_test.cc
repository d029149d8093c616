#include "base/mutex.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

namespace panal {
namespace {

// Asked on a thread of its own, because a thread must not try to take what it holds.
bool can_be_taken(Mutex& mutex) {
  bool taken = false;
  std::thread([&] {
    if (!mutex.try_lock()) return;
    const MutexLock lock(mutex, std::adopt_lock);
    taken = true;
  }).join();
  return taken;
}

TEST(Mutex, IsHeldFromTheBeginOfALockToItsEnd) {
  Mutex mutex;
  {
    const MutexLock lock(mutex);
    EXPECT_FALSE(can_be_taken(mutex));
  }
  EXPECT_TRUE(can_be_taken(mutex));
}

TEST(Mutex, IsFreeWithinAnUnlockAndHeldAgainAfterIt) {
  Mutex mutex;
  const MutexLock lock(mutex);
  {
    const MutexUnlock unlocked(mutex);
    EXPECT_TRUE(can_be_taken(mutex));
  }
  EXPECT_FALSE(can_be_taken(mutex));
}

// The number comes while the reader waits or before it: it gets it either way.
TEST(ConditionVariable, WaitsForNewsOfAnotherThread) {
  Mutex mutex;
  ConditionVariable changed;
  std::deque<int> numbers;
  std::thread writer([&] {
    const MutexLock lock(mutex);
    numbers.push_back(7);
    changed.notify_one();
  });
  {
    const MutexLock lock(mutex);
    while (numbers.empty()) changed.wait(mutex);
    EXPECT_EQ(numbers.front(), 7);
    EXPECT_FALSE(can_be_taken(mutex));
  }
  writer.join();
}

TEST(ConditionVariable, LeavesNothingOfAWaitWithoutNews) {
  Mutex mutex;
  ConditionVariable changed;
  const MutexLock lock(mutex);
  std::chrono::nanoseconds left = std::chrono::milliseconds(1);
  while (left > std::chrono::nanoseconds(0)) left = changed.wait_for(mutex, left);
  EXPECT_EQ(left, std::chrono::nanoseconds(0));
  EXPECT_FALSE(can_be_taken(mutex));
}

TEST(ConditionVariable, LeavesTheRestOfAWaitThatNewsEnds) {
  Mutex mutex;
  ConditionVariable changed;
  bool has_come = false;
  std::chrono::nanoseconds left = std::chrono::hours(1);
  std::thread other([&] {
    const MutexLock lock(mutex);
    has_come = true;
    changed.notify_all();
  });
  {
    const MutexLock lock(mutex);
    while (!has_come && left > std::chrono::nanoseconds(0)) left = changed.wait_for(mutex, left);
    EXPECT_TRUE(has_come);
    EXPECT_GT(left, std::chrono::nanoseconds(0));
  }
  other.join();
}

}  // namespace
}  // namespace panal
