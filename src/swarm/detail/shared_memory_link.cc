// A line is a ring buffer for one writer and one reader. Positions only grow; the buffer's place is
// the position modulo its size. A side that finds nothing to do says that it sleeps, looks once
// more, and is then woken by the other side through the control connection.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "swarm/detail/ring_link.h"

namespace panal::swarm::detail {
namespace {

constexpr std::size_t kHeaderBytes = 4096;
constexpr std::size_t kLeastBytes = 4096;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

// Each side writes its own words only (and clears the other's sleep flag); a cache line for each.
struct LineHeader {
  alignas(64) std::atomic<std::uint64_t> written;
  alignas(64) std::atomic<std::uint64_t> read;
  alignas(64) std::atomic<std::uint32_t> writer_sleeps;
  alignas(64) std::atomic<std::uint32_t> reader_sleeps;
};
static_assert(sizeof(LineHeader) <= kHeaderBytes && std::atomic<std::uint64_t>::is_always_lock_free,
              "positions are shared between processes");

class Line {
 public:
  static Result<Line> open(const Descriptor& memory) {
    struct stat facts {};
    const int seals = fcntl(memory.number(), F_GET_SEALS);
    if (fstat(memory.number(), &facts) != 0 || seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
      return Status(Code::kCorrupt, "its shared memory is not sealed against shrinking");
    }
    const auto size = static_cast<std::size_t>(std::max<off_t>(facts.st_size, 0));
    const std::size_t capacity = size > kHeaderBytes ? size - kHeaderBytes : 0;
    if (capacity < kLeastBytes || capacity > kMostBytes || !std::has_single_bit(capacity)) {
      return Status(Code::kCorrupt,
                    fmt::format("its shared memory must be a page and a power of two from {} to {} "
                                "bytes, found {} bytes",
                                kLeastBytes, kMostBytes, size));
    }
    void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number(), 0);
    if (address == MAP_FAILED) {
      return Status(
          Code::kResourceExhausted,
          fmt::format("cannot map {} bytes of shared memory: {}", size, std::strerror(errno)));
    }
    return Line(static_cast<std::byte*>(address), capacity);
  }
  Line(Line&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), capacity_(other.capacity_) {}
  Line& operator=(Line&&) = delete;
  ~Line() {
    if (address_ != nullptr) munmap(address_, kHeaderBytes + capacity_);
  }

  LineHeader& header() { return *reinterpret_cast<LineHeader*>(address_); }
  std::byte* data() { return address_ + kHeaderBytes; }
  std::size_t capacity() const { return capacity_; }

 private:
  Line(std::byte* address, std::size_t capacity) : address_(address), capacity_(capacity) {}
  std::byte* address_;
  std::size_t capacity_;
};

class SharedMemoryLink final : public RingLink {
 public:
  SharedMemoryLink(Line next, Line previous, std::function<void(Neighbour)> wake)
      : next_(std::move(next)), previous_(std::move(previous)), wake_(std::move(wake)) {}

  Result<std::size_t> write_some(std::span<const std::byte> bytes) override {
    // Our own position is kept here too: a neighbour that writes nonsense into the shared words
    // can only spoil its own data, never our bounds.
    const std::uint64_t used = written_ - next_.header().read.load(std::memory_order_acquire);
    if (used > next_.capacity()) {
      return Status(Code::kCorrupt, "it read more than was written to it");
    }
    const std::size_t count =
        std::min(bytes.size(), next_.capacity() - static_cast<std::size_t>(used));
    if (count == 0) return count;
    const auto place = static_cast<std::size_t>(written_ & (next_.capacity() - 1));
    const std::size_t first = std::min(count, next_.capacity() - place);
    std::memcpy(next_.data() + place, bytes.data(), first);
    std::memcpy(next_.data(), bytes.data() + first, count - first);
    written_ += count;
    next_.header().written.store(written_, std::memory_order_seq_cst);
    if (next_.header().reader_sleeps.exchange(0, std::memory_order_seq_cst) != 0) {
      wake_(Neighbour::kNext);
    }
    return count;
  }

  Result<std::span<const std::byte>> readable() override {
    const std::uint64_t ready = previous_.header().written.load(std::memory_order_acquire) - read_;
    if (ready > previous_.capacity()) {
      return Status(Code::kCorrupt, "it wrote past the end of its line");
    }
    const auto place = static_cast<std::size_t>(read_ & (previous_.capacity() - 1));
    const std::size_t count =
        std::min(static_cast<std::size_t>(ready), previous_.capacity() - place);
    return std::span<const std::byte>(previous_.data() + place, count);
  }

  void consume(std::size_t num_bytes) override {
    read_ += num_bytes;
    previous_.header().read.store(read_, std::memory_order_seq_cst);
    if (previous_.header().writer_sleeps.exchange(0, std::memory_order_seq_cst) != 0) {
      wake_(Neighbour::kPrevious);
    }
  }

  bool is_worth_a_look() const override { return true; }
  bool is_ready(bool wants_write, bool wants_read) override {
    const bool is_full =
        written_ - next_.header().read.load(std::memory_order_seq_cst) >= next_.capacity();
    const bool is_empty = previous_.header().written.load(std::memory_order_seq_cst) == read_;
    return (wants_write && !is_full) || (wants_read && !is_empty);
  }
  bool may_sleep(bool wants_write, bool wants_read, std::vector<pollfd>& /*waits*/) override {
    if (wants_write) next_.header().writer_sleeps.store(1, std::memory_order_seq_cst);
    if (wants_read) previous_.header().reader_sleeps.store(1, std::memory_order_seq_cst);
    return !is_ready(wants_write, wants_read);
  }

 private:
  Line next_, previous_;
  std::function<void(Neighbour)> wake_;
  std::uint64_t written_ = 0, read_ = 0;
};

}  // namespace

Result<Descriptor> make_shared_line(std::size_t buffer_bytes) {
  const std::size_t capacity = std::bit_ceil(std::clamp(buffer_bytes, kLeastBytes, kMostBytes));
  Descriptor memory(memfd_create("panal-swarm", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.is_open() ||
      ftruncate(memory.number(), static_cast<off_t>(kHeaderBytes + capacity)) != 0 ||
      fcntl(memory.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return Status(Code::kResourceExhausted, fmt::format("cannot make {} bytes of shared memory: {}",
                                                        capacity, std::strerror(errno)));
  }
  return memory;
}

Result<std::unique_ptr<RingLink>> make_shared_memory_link(const Descriptor& next,
                                                          const Descriptor& previous,
                                                          std::function<void(Neighbour)> wake) {
  PANAL_ASSIGN(Line to_next, Line::open(next));
  PANAL_ASSIGN(Line from_previous, Line::open(previous));
  return std::unique_ptr<RingLink>(std::make_unique<SharedMemoryLink>(
      std::move(to_next), std::move(from_previous), std::move(wake)));
}

}  // namespace panal::swarm::detail
