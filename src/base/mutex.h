// Locks that say what they guard. Clang's thread-safety analysis reads the annotations, and
// tests/house runs it over whatever has a Mutex: a guarded member that is touched without its lock
// does not pass. Everything is inline over the types of the standard library and costs what they
// cost.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

// GCC knows none of them.
#if defined(__clang__)
#define PANAL_ANNOTATE(attribute) __attribute__((attribute))
#else
#define PANAL_ANNOTATE(attribute)
#endif

/// Of a member: it is read and written with this mutex held. Constructors and destructors are not
/// checked: nobody else has the object then.
#define PANAL_GUARDED_BY(mutex) PANAL_ANNOTATE(guarded_by(mutex))
/// Of a function, after its parameters (and `const`): the caller holds these mutexes.
#define PANAL_REQUIRES(...) PANAL_ANNOTATE(requires_capability(__VA_ARGS__))
/// Of a function: the caller does not hold these mutexes, because the function takes them, or calls
/// somebody who may.
#define PANAL_EXCLUDES(...) PANAL_ANNOTATE(locks_excluded(__VA_ARGS__))

// For the classes below.
#define PANAL_CAPABILITY(kind) PANAL_ANNOTATE(capability(kind))
#define PANAL_SCOPED_CAPABILITY PANAL_ANNOTATE(scoped_lockable)
#define PANAL_ACQUIRE(...) PANAL_ANNOTATE(acquire_capability(__VA_ARGS__))
#define PANAL_TRY_ACQUIRE(...) PANAL_ANNOTATE(try_acquire_capability(__VA_ARGS__))
#define PANAL_RELEASE(...) PANAL_ANNOTATE(release_capability(__VA_ARGS__))

namespace panal {

/// A std::mutex whose holders clang can check. MutexLock locks it; lock() and unlock() are for
/// that, and for what no scope can say.
class PANAL_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() PANAL_ACQUIRE() { mutex_.lock(); }
  bool try_lock() PANAL_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() PANAL_RELEASE() { mutex_.unlock(); }

 private:
  friend class ConditionVariable;  // Waits with the mutex itself.
  std::mutex mutex_;
};

/// Holds a mutex as long as it lives.
class PANAL_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PANAL_ACQUIRE(mutex) : mutex_(mutex) { mutex.lock(); }
  /// Takes over a mutex that the caller holds, by try_lock().
  MutexLock(Mutex& mutex, std::adopt_lock_t) PANAL_REQUIRES(mutex) : mutex_(mutex) {}
  ~MutexLock() PANAL_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// The inverse, for a stretch within a MutexLock, such as a callback: lets the mutex go and takes
/// it again at the end. What was read before may have changed by then.
class PANAL_SCOPED_CAPABILITY MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) PANAL_RELEASE(mutex) : mutex_(mutex) { mutex.unlock(); }
  ~MutexUnlock() PANAL_RELEASE() { mutex_.lock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits for another thread's news about what a mutex guards. A wait may end without any, so it
/// stands in a loop over the condition, which is thereby checked like everything else:
/// `while (queue_.empty()) changed_.wait(mutex_);`.
class ConditionVariable {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  /// Lets the mutex go while it waits.
  void wait(Mutex& mutex) PANAL_REQUIRES(mutex) {
    std::unique_lock held(mutex.mutex_, std::adopt_lock);
    condition_.wait(held);
    held.release();
  }
  /// The same, for no longer than `longest`. Returns what is left of that: 0 when it is over.
  std::chrono::nanoseconds wait_for(Mutex& mutex, std::chrono::nanoseconds longest)
      PANAL_REQUIRES(mutex) {
    const auto end = std::chrono::steady_clock::now() + longest;
    std::unique_lock held(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(held, end);
    held.release();
    return std::max(end - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0));
  }

 private:
  std::condition_variable condition_;
};

}  // namespace panal
