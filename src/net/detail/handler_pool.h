// Threads for handlers: started when first needed, never more than the bound, and no queue behind a
// full house: whoever comes then is told so at once instead of waiting without end.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace panal::net::detail {

/// Thread-safe, except join().
class HandlerPool {
 public:
  explicit HandlerPool(std::size_t max_jobs) : max_jobs_(max_jobs) {}
  ~HandlerPool() { join(); }

  /// Runs `job`, then frees its place, then runs `after`; neither may throw. False when the house
  /// is full or closed.
  bool submit(std::function<void()> job, std::function<void()> after);
  std::size_t num_running() const;
  /// Closes the gate, waits for running jobs, ends the threads.
  void join();

 private:
  struct Job {
    std::function<void()> run;
    std::function<void()> after;
  };
  void work();

  const std::size_t max_jobs_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;      // Guarded by mutex_; at most max_jobs_, each has or gets a thread.
  std::size_t num_running_ = 0;  // Guarded by mutex_; waiting jobs included.
  std::size_t num_idle_threads_ = 0;  // Guarded by mutex_.
  bool closed_ = false;               // Guarded by mutex_.
  std::vector<std::thread> threads_;  // Guarded by mutex_.
};

}  // namespace panal::net::detail
