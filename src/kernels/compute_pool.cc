#include "kernels/compute_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/check.h"
#include "base/error.h"
#include "base/timing.h"

namespace panal::kernels {
namespace {

using std::chrono_literals::operator""us;

// How long a thread looks for work. Longer than the gaps between the passes of a training step on
// an idle machine, and far shorter than what the kernel gives a thread at a time.
constexpr Nanoseconds kLooksFor = 200us;
// Reading a clock costs as much as some of these.
constexpr int kPausesPerLook = 32;

constexpr int kCountBits = 32;
constexpr std::int64_t kMostChunks = std::numeric_limits<std::uint32_t>::max();

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether this thread is inside a chunk: what it runs there it runs alone.
thread_local bool is_in_chunk = false;

void require_possible(int num_threads) {
  PANAL_REQUIRE(num_threads >= 1 && num_threads <= 1024,
                fmt::format("threads: wanted 1 to 1024, found {}", num_threads));
}

// How this thread treats denormals, among other things.
std::uint64_t floating_point_control() {
#if defined(__x86_64__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  std::uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
#else
  return 0;
#endif
}
void set_floating_point_control(std::uint64_t control) {
#if defined(__x86_64__)
  _mm_setcsr(static_cast<unsigned>(control));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(control));
#else
  (void)control;
#endif
}

// A chunk gives the same on every thread, so all flush denormals in it, the caller too.
class InChunk {
 public:
  InChunk() : was_in_chunk_(is_in_chunk), control_(floating_point_control()) {
    is_in_chunk = true;
    flush_denormals();
  }
  ~InChunk() {
    is_in_chunk = was_in_chunk_;
    set_floating_point_control(control_);
  }
  InChunk(const InChunk&) = delete;
  InChunk& operator=(const InChunk&) = delete;

 private:
  const bool was_in_chunk_;
  const std::uint64_t control_;
};

// Looks until `holds` or the time is over; whether it holds.
template <typename Holds>
bool look_for(const Clock& clock, const Holds& holds) {
  if (holds()) return true;
  const Nanoseconds end = clock.steady_now() + kLooksFor;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      pause();
      if (holds()) return true;
    }
  } while (clock.steady_now() < end);
  return false;
}

}  // namespace

ComputePool::ComputePool(int num_threads, const Clock& clock) : clock_(clock) {
  require_possible(num_threads);
  start(num_threads);
}

ComputePool::~ComputePool() { stop(); }

void ComputePool::set_num_threads(int num_threads) {
  require_possible(num_threads);
  PANAL_CHECK(!is_in_chunk, "the number of threads changes within a chunk");
  const MutexLock lock(caller_);
  if (num_threads == this->num_threads()) return;
  stop();
  start(num_threads);
}

void ComputePool::start(int num_threads) {
  num_threads_ = num_threads;
  is_stopping_ = false;
  for (int worker = 1; worker < num_threads; ++worker)
    threads_.emplace_back([this, worker] { work(worker); });
}

void ComputePool::stop() {
  is_stopping_ = true;
  ++published_;
  published_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ComputePool::run_all(const Job& job) {
  PANAL_REQUIRE(job.num_chunks <= kMostChunks,
                fmt::format("chunks: wanted at most {}, found {}", kMostChunks, job.num_chunks));
  if (job.num_chunks <= 1 || is_in_chunk || num_threads() == 1 || !caller_.try_lock()) {
    const InChunk mark;
    for (std::int64_t chunk = 0; chunk < job.num_chunks; ++chunk) job.call(job.context, chunk, 0);
    return;
  }
  const MutexLock lock(caller_, std::adopt_lock);
  publish(job);
  help(0);
  await_finished();
  if (has_failed_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ComputePool::publish(const Job& job) {
  num_chunks_.store(job.num_chunks, std::memory_order_relaxed);
  context_.store(job.context, std::memory_order_relaxed);
  call_.store(job.call, std::memory_order_relaxed);
  has_failed_.store(false, std::memory_order_relaxed);
  unfinished_.store(static_cast<std::uint32_t>(job.num_chunks), std::memory_order_relaxed);
  const std::uint32_t number = published_.load(std::memory_order_relaxed) + 1;
  ticket_.store(std::uint64_t{number} << kCountBits | static_cast<std::uint64_t>(job.num_chunks),
                std::memory_order_release);
  published_.store(number);
  // A chunk is the caller's own, so no more than the others need somebody.
  if (job.num_chunks > num_threads()) {
    published_.notify_all();
  } else {
    for (std::int64_t i = 1; i < job.num_chunks; ++i) published_.notify_one();
  }
}

void ComputePool::work(int worker) {
  std::uint32_t seen = 0;
  while (true) {
    const auto is_new = [&] { return published_.load(std::memory_order_acquire) != seen; };
    if (!look_for(clock_, is_new)) published_.wait(seen);
    if (is_stopping_) return;
    seen = published_.load(std::memory_order_acquire);
    help(worker);
  }
}

void ComputePool::help(int worker) {
  const auto number =
      static_cast<std::uint32_t>(ticket_.load(std::memory_order_acquire) >> kCountBits);
  const Job job{.num_chunks = num_chunks_.load(std::memory_order_relaxed),
                .context = context_.load(std::memory_order_relaxed),
                .call = call_.load(std::memory_order_relaxed)};
  const InChunk mark;
  std::uint32_t done = 0;
  while (true) {
    const std::int64_t chunk = take(number, job.num_chunks);
    if (chunk < 0) break;
    compute(job, chunk, worker);
    ++done;
  }
  if (done > 0) finish(done);
}

// -1 when this job has none left, or another one runs by now.
std::int64_t ComputePool::take(std::uint32_t number, std::int64_t num_chunks) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (true) {
    const auto left = static_cast<std::uint32_t>(ticket);
    if (ticket >> kCountBits != number || left == 0) return -1;
    if (ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel))
      return num_chunks - left;
  }
}

void ComputePool::compute(const Job& job, std::int64_t chunk, int worker) {
  if (has_failed_.load(std::memory_order_relaxed)) return;
  try {
    job.call(job.context, chunk, worker);
  } catch (...) {
    if (!has_failed_.exchange(true)) failure_ = std::current_exception();
  }
}

void ComputePool::finish(std::uint32_t chunks) {
  if (unfinished_.fetch_sub(chunks, std::memory_order_acq_rel) == chunks) unfinished_.notify_one();
}

// Who still computes is on another core, or waits for one: for this one, if we sleep.
void ComputePool::await_finished() {
  const auto is_done = [&] { return unfinished_.load(std::memory_order_acquire) == 0; };
  if (look_for(clock_, is_done)) return;
  for (std::uint32_t left = unfinished_.load(); left != 0; left = unfinished_.load())
    unfinished_.wait(left);
}

ComputePool& compute_pool() {
  // Lives as long as the process: threads of others may still compute when what is static ends.
  static ComputePool* const pool = new ComputePool(
      std::max(1, static_cast<int>(std::thread::hardware_concurrency())), system_clock());
  return *pool;
}

void flush_denormals() {
#if defined(__x86_64__)
  constexpr std::uint64_t kFlush = 1u << 15 | 1u << 6;  // Results, and inputs.
#else
  constexpr std::uint64_t kFlush = 1u << 24;
#endif
  set_floating_point_control(floating_point_control() | kFlush);
}

}  // namespace panal::kernels
