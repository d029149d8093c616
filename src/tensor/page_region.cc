#include "tensor/page_region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace panal::tensor {
namespace {

constexpr std::size_t kWordBits = 64;
// Of the most that was live, what may be held beside it: a plan is held to a twentieth.
constexpr std::size_t kSlackDivisor = 512;

// Walks through the words with bits of [first, first + count).
class Words {
 public:
  Words(std::size_t first, std::size_t count) : at_(first), last_(first + count) {}
  bool is_over() const { return at_ >= last_; }
  void next() { at_ += num_bits(); }
  std::size_t word() const { return at_ / kWordBits; }
  std::uint64_t mask() const {
    return (~std::uint64_t{0} >> (kWordBits - num_bits())) << at_ % kWordBits;
  }

 private:
  std::size_t num_bits() const { return std::min(kWordBits - at_ % kWordBits, last_ - at_); }

  std::size_t at_;
  const std::size_t last_;
};

}  // namespace

std::size_t PageRegion::page_bytes() {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGE_SIZE));
  return bytes;
}

PageRegion::PageRegion(std::size_t address_bytes, std::size_t most_live_bytes)
    : limit_(most_live_bytes / page_bytes()) {
  void* mapped = ::mmap(nullptr, address_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return;
  begin_ = static_cast<char*>(mapped);
  num_pages_ = address_bytes / page_bytes();
  add_hole(0, num_pages_);
}

PageRegion::~PageRegion() {
  if (begin_ != nullptr) ::munmap(begin_, num_pages_ * page_bytes());
}

std::size_t PageRegion::count_resident(std::size_t first, std::size_t count) const {
  std::size_t found = 0;
  const std::size_t known = resident_.size() * kWordBits;
  if (first >= known) return 0;
  for (Words at(first, std::min(count, known - first)); !at.is_over(); at.next()) {
    found += static_cast<std::size_t>(std::popcount(resident_[at.word()] & at.mask()));
  }
  return found;
}

void PageRegion::set_resident(std::size_t first, std::size_t count, bool resident) {
  const std::size_t words = (first + count + kWordBits - 1) / kWordBits;
  if (words > resident_.size()) resident_.resize(words);
  for (Words at(first, count); !at.is_over(); at.next()) {
    std::uint64_t& word = resident_[at.word()];
    const std::uint64_t before = word;
    word = resident ? before | at.mask() : before & ~at.mask();
    num_resident_ += static_cast<std::size_t>(std::popcount(word));
    num_resident_ -= static_cast<std::size_t>(std::popcount(before));
  }
}

void PageRegion::add_hole(std::size_t first, std::size_t count) {
  if (count == 0) return;
  holes_.emplace(first, count);
  holes_by_count_.emplace(count, first);
}

void PageRegion::remove_hole(std::size_t first, std::size_t count) {
  holes_.erase(first);
  holes_by_count_.erase({count, first});
}

// Up to `wanted` resident pages of a hole, from its end. Returns how many.
std::size_t PageRegion::give_back_of(std::size_t first, std::size_t count, std::size_t wanted) {
  std::size_t given = 0;
  std::size_t last = std::min(first + count, resident_.size() * kWordBits);
  while (last > first && given < wanted) {
    std::size_t begin = last;
    while (begin > first && given < wanted && count_resident(begin - 1, 1) == 1) --begin, ++given;
    if (begin == last) {
      --last;
      continue;
    }
    ::madvise(begin_ + begin * page_bytes(), (last - begin) * page_bytes(), MADV_DONTNEED);
    set_resident(begin, last - begin, false);
    last = begin;
  }
  return given;
}

// The furthest first: near the begin are the holes that are filled again the soonest.
void PageRegion::give_back(std::size_t count) {
  for (auto hole = holes_.rbegin(); hole != holes_.rend() && count > 0; ++hole) {
    if (count_resident(hole->first, hole->second) == 0) continue;
    count -= give_back_of(hole->first, hole->second, count);
  }
}

void* PageRegion::allocate(std::size_t bytes) {
  const std::size_t count =
      std::max<std::size_t>(1, bytes / page_bytes() + (bytes % page_bytes() != 0));
  const MutexLock lock(mutex_);
  if (live_ + count > limit_) return nullptr;
  // The smallest hole that holds it, the nearest of those.
  const auto fitting = holes_by_count_.lower_bound({count, 0});
  if (fitting == holes_by_count_.end()) return nullptr;
  const auto [hole_count, first] = *fitting;
  remove_hole(first, hole_count);
  add_hole(first + count, hole_count - count);
  live_ += count;
  most_live_ = std::max(most_live_, live_);
  const std::size_t held = num_resident_ + count - count_resident(first, count);
  const std::size_t allowed = most_live_ + most_live_ / kSlackDivisor;
  if (held > allowed) give_back(held - allowed);
  set_resident(first, count, true);
  buffers_.emplace(first, count);
  return begin_ + first * page_bytes();
}

bool PageRegion::free(void* data) {
  auto* const at = static_cast<char*>(data);
  if (at < begin_ || at >= begin_ + num_pages_ * page_bytes()) return false;
  const MutexLock lock(mutex_);
  const auto buffer = buffers_.find(static_cast<std::size_t>(at - begin_) / page_bytes());
  if (buffer == buffers_.end()) return false;
  std::size_t first = buffer->first, count = buffer->second;
  buffers_.erase(buffer);
  live_ -= count;
  const auto next = holes_.lower_bound(first);
  if (next != holes_.end() && next->first == first + count) {
    const std::size_t more = next->second;
    remove_hole(first + count, more);
    count += more;
  }
  const auto behind = holes_.lower_bound(first);
  if (behind != holes_.begin()) {
    const auto [before, before_count] = *std::prev(behind);
    if (before + before_count == first) {
      remove_hole(before, before_count);
      first = before;
      count += before_count;
    }
  }
  add_hole(first, count);
  return true;
}

PageRegion::Use PageRegion::use() const {
  const MutexLock lock(mutex_);
  return {.live_bytes = live_ * page_bytes(),
          .most_live_bytes = most_live_ * page_bytes(),
          .resident_bytes = num_resident_ * page_bytes()};
}

}  // namespace panal::tensor
