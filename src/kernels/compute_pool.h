// The threads that compute. Work is cut into chunks, and how it is cut depends on its shape alone;
// which thread computes a chunk is decided while it runs: each takes the next one when it has
// finished the last. So a thread that another program keeps from its core holds up one chunk and
// not its share, and results do not depend on who computed what, nor on how many threads there are.
//
// Waits are short. A thread without work looks for some for a moment, because the gaps between the
// passes of a training step are shorter than waking up takes, and then sleeps, so that its core
// goes to whom else wants it: often to a thread of ours that was waiting for one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace panal::kernels {

class ComputePool {
 public:
  /// Starts num_threads - 1 threads (1 to 1024 with the caller). `clock` outlives the pool; it
  /// bounds how long a thread looks for work before it sleeps.
  ComputePool(int num_threads, const Clock& clock);
  /// Joins them.
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int num_threads() const { return num_threads_.load(std::memory_order_relaxed); }
  /// Waits for the run of another thread, then ends the threads and starts others. Not from within
  /// a chunk.
  void set_num_threads(int num_threads);

  /// Calls body(chunk, worker) for each chunk of 0 to num_chunks - 1, on the calling thread and the
  /// others, and returns when all are done. Calls with one `worker`, less than num_threads(), never
  /// overlap, so it may own scratch. Denormals are flushed in a chunk. All chunks run on the
  /// calling thread, as worker 0, within a chunk of this or another pool and while another thread's
  /// run is going on. The first exception of a chunk is thrown again here; chunks that had not
  /// begun by then are left out. A run costs about a microsecond, and a few more where threads must
  /// be woken.
  template <typename Body>
  void run(std::int64_t num_chunks, const Body& body) {
    const auto call = [](const void* context, std::int64_t chunk, int worker) {
      (*static_cast<const Body*>(context))(chunk, worker);
    };
    run_all({.num_chunks = num_chunks, .context = &body, .call = call});
  }

 private:
  struct Job {
    std::int64_t num_chunks = 0;
    const void* context = nullptr;
    void (*call)(const void* context, std::int64_t chunk, int worker) = nullptr;
  };

  void start(int num_threads) PANAL_REQUIRES(caller_);
  void stop() PANAL_REQUIRES(caller_);
  void run_all(const Job& job);
  void publish(const Job& job);
  void work(int worker);
  void help(int worker);
  void compute(const Job& job, std::int64_t chunk, int worker);
  std::int64_t take(std::uint32_t number, std::int64_t num_chunks);
  void finish(std::uint32_t chunks);
  void await_finished();

  const Clock& clock_;
  Mutex caller_;  // Held by the thread whose job runs.
  std::vector<std::thread> threads_ PANAL_GUARDED_BY(caller_);
  std::atomic<int> num_threads_{1};
  std::atomic<bool> is_stopping_{false};

  // The job that runs. Its parts are written before ticket_ names it, and not again before all of
  // its chunks are done: whoever took one with a ticket has read the job of that ticket.
  std::atomic<std::int64_t> num_chunks_{0};
  std::atomic<const void*> context_{nullptr};
  std::atomic<void (*)(const void*, std::int64_t, int)> call_{nullptr};
  // How often a job was published; idle threads wait for it to change.
  alignas(64) std::atomic<std::uint32_t> published_{0};
  // The job's number in the upper half; in the lower one how many chunks nobody has taken, so that
  // nothing can be taken of a job that is done.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  // Chunks that are not done. The calling thread waits for 0.
  alignas(64) std::atomic<std::uint32_t> unfinished_{0};
  std::atomic<bool> has_failed_{false};
  std::exception_ptr failure_;  // The first one; written before `unfinished_` falls to 0.
};

/// The pool of this process. Until somebody sets another number it has a thread for each core that
/// this process may use.
ComputePool& compute_pool();

/// Calls body(begin, end, worker) for [0, count) in chunks of `chunk` (at least 1), the last one
/// shorter, by the pool of this process. `worker` is as run() has it.
template <typename Body>
void for_chunks(std::int64_t count, std::int64_t chunk, const Body& body) {
  compute_pool().run((count + chunk - 1) / chunk, [&](std::int64_t index, int worker) {
    const std::int64_t begin = index * chunk;
    body(begin, std::min(begin + chunk, count), worker);
  });
}

/// Elements of a pass over memory that are worth a chunk.
constexpr std::int64_t kElementsPerChunk = 1 << 14;
/// Rows of `width` elements that are.
constexpr std::int64_t rows_per_chunk(std::int64_t width) {
  return std::max<std::int64_t>(1, kElementsPerChunk / std::max<std::int64_t>(1, width));
}

/// Calls body(begin, end) over pieces of [0, count) elements, or of [0, rows) rows of `width`.
template <typename Body>
void for_elements(std::int64_t count, const Body& body) {
  for_chunks(count, kElementsPerChunk,
             [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
}
template <typename Body>
void for_rows(std::int64_t rows, std::int64_t width, const Body& body) {
  for_chunks(rows, rows_per_chunk(width),
             [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
}

/// Flushes denormals to zero in the calling thread: a product over them runs up to a hundred times
/// slower. No effect on CPUs other than x86-64 and AArch64.
void flush_denormals();

}  // namespace panal::kernels
