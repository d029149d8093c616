#include "net/thread_pool.h"

#include <system_error>
#include <utility>

namespace panal::net {

bool ThreadPool::submit(std::function<void()> job) {
  const MutexLock lock(mutex_);
  if (closed_ || num_running_ >= max_jobs_) return false;
  if (num_idle_threads_ <= waiting_.size() && threads_.size() < max_threads_) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The machine gives no more threads: those that exist must do, and without any we are full.
      if (threads_.empty()) return false;
    }
  }
  ++num_running_;
  waiting_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

std::size_t ThreadPool::num_running() const {
  const MutexLock lock(mutex_);
  return num_running_;
}

void ThreadPool::join() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

void ThreadPool::work() {
  const MutexLock lock(mutex_);
  while (true) {
    ++num_idle_threads_;
    while (!closed_ && waiting_.empty()) changed_.wait(mutex_);
    --num_idle_threads_;
    if (waiting_.empty()) return;
    std::function<void()> job = std::move(waiting_.front());
    waiting_.pop_front();
    {
      const MutexUnlock unlocked(mutex_);
      job();
      job = nullptr;
    }
    --num_running_;
  }
}

}  // namespace panal::net
