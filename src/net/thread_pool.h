// Threads for what may block: started when first needed, never more than the bound. A bounded queue
// may stand behind a full house; who comes when that is full too is told so at once instead of
// waiting without end.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace panal::net {

/// Thread-safe, except join(), which the destructor calls.
class ThreadPool {
 public:
  ThreadPool(std::size_t max_threads, std::size_t max_waiting)
      : max_threads_(max_threads), max_jobs_(max_threads + max_waiting) {}
  ~ThreadPool() { join(); }

  /// Runs `job`, which must not throw. False when house and queue are full, or closed.
  bool submit(std::function<void()> job);
  /// Jobs that run or wait.
  std::size_t num_running() const;
  /// Closes the gate, waits for jobs taken, ends the threads.
  void join();

 private:
  void work();

  const std::size_t max_threads_;
  const std::size_t max_jobs_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::deque<std::function<void()>> waiting_ PANAL_GUARDED_BY(mutex_);
  std::size_t num_running_ PANAL_GUARDED_BY(mutex_) = 0;  // Waiting jobs included.
  std::size_t num_idle_threads_ PANAL_GUARDED_BY(mutex_) = 0;
  bool closed_ PANAL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace panal::net
