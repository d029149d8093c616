// The same work for each of many documents on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stop_token>
#include <thread>
#include <vector>

namespace panal::data::detail {

inline constexpr int kMostThreads = 256;

/// Calls work(i) once for every i below count, in any order; 0 threads: as many as the machine has.
/// `work` writes to places of its own only and must not throw. Returns when all is done, or early
/// when stopped.
template <typename Work>
void for_each_document(std::size_t count, int threads, const std::stop_token& stop,
                       const Work& work) {
  constexpr std::size_t kTaken = 16;  // At once: few, because documents differ in size.
  std::atomic<std::size_t> next = 0;
  const auto loop = [&] {
    while (!stop.stop_requested()) {
      const std::size_t begin = next.fetch_add(kTaken, std::memory_order_relaxed);
      if (begin >= count) return;
      for (std::size_t i = begin; i < std::min(begin + kTaken, count); ++i) work(i);
    }
  };
  const auto machine = static_cast<int>(std::thread::hardware_concurrency());
  const auto most =
      static_cast<std::size_t>(std::clamp(threads > 0 ? threads : machine, 1, kMostThreads));
  std::vector<std::jthread> others;  // Joined when this function returns.
  for (std::size_t i = 1; i < std::min(most, (count + kTaken - 1) / kTaken); ++i) {
    others.emplace_back(loop);
  }
  loop();
}

}  // namespace panal::data::detail
