// Large buffers by whole pages, out of one stretch of addresses. What is freed keeps its pages for
// the next buffer, so that a training step does not page in the same memory as the step before; yet
// the pages held are never much more than were once in use together. Where the holes between
// buffers do not fit the next one, their pages go back to the kernel before others come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace panal::tensor {

/// Thread-safe.
class PageRegion {
 public:
  struct Use {
    std::size_t live_bytes = 0;       // Of buffers, in whole pages.
    std::size_t most_live_bytes = 0;  // The most there ever were.
    /// With what is kept of freed ones: at most most_live_bytes and one part in 512.
    std::size_t resident_bytes = 0;
  };

  /// `address_bytes`: the stretch, rounded to whole pages. It takes addresses, not memory; where
  /// the kernel refuses, the region is empty. `most_live_bytes`: refuses what would go over.
  PageRegion(std::size_t address_bytes, std::size_t most_live_bytes);
  ~PageRegion();
  PageRegion(const PageRegion&) = delete;
  PageRegion& operator=(const PageRegion&) = delete;

  /// At the begin of a page, contents unknown; nullptr when there is no room. Cost: logarithmic in
  /// the number of buffers, and a system call where pages go back.
  void* allocate(std::size_t bytes);
  /// False, and nothing done, when `data` is none of its buffers.
  bool free(void* data);
  Use use() const;
  static std::size_t page_bytes();

 private:
  std::size_t count_resident(std::size_t first, std::size_t count) const PANAL_REQUIRES(mutex_);
  void set_resident(std::size_t first, std::size_t count, bool resident) PANAL_REQUIRES(mutex_);
  void add_hole(std::size_t first, std::size_t count) PANAL_REQUIRES(mutex_);
  void remove_hole(std::size_t first, std::size_t count) PANAL_REQUIRES(mutex_);
  void give_back(std::size_t count) PANAL_REQUIRES(mutex_);
  std::size_t give_back_of(std::size_t first, std::size_t count, std::size_t wanted)
      PANAL_REQUIRES(mutex_);

  char* begin_ = nullptr;
  std::size_t num_pages_ = 0, limit_ = 0;  // Constant after construction, in pages as all below.
  mutable Mutex mutex_;
  // By first page; no two adjacent.
  std::map<std::size_t, std::size_t> holes_ PANAL_GUARDED_BY(mutex_);
  // The same, (count, first).
  std::set<std::pair<std::size_t, std::size_t>> holes_by_count_ PANAL_GUARDED_BY(mutex_);
  std::unordered_map<std::size_t, std::size_t> buffers_ PANAL_GUARDED_BY(mutex_);
  // A bit a page, as far as any ever was.
  std::vector<std::uint64_t> resident_ PANAL_GUARDED_BY(mutex_);
  std::size_t live_ PANAL_GUARDED_BY(mutex_) = 0;
  std::size_t most_live_ PANAL_GUARDED_BY(mutex_) = 0;
  std::size_t num_resident_ PANAL_GUARDED_BY(mutex_) = 0;
};

}  // namespace panal::tensor
