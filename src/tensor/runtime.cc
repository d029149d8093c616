#include "tensor/runtime.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <torch/types.h>
#include <unistd.h>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "tensor/page_region.h"

namespace panal::tensor {
namespace {

// Below this the rounding to pages would show, and the C library is as good.
constexpr std::size_t kSmallestBytes = 64 << 10;
constexpr std::uint8_t kPriority = 100;  // Over torch's own allocator.
// Holes between buffers cost addresses only, of which there are enough.
constexpr std::size_t kAddressesPerByte = 4;

class PageAllocator final : public c10::Allocator {
 public:
  explicit PageAllocator(std::size_t physical_bytes) {
    region_ = new PageRegion(kAddressesPerByte * physical_bytes, physical_bytes);
  }
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = bytes < kSmallestBytes ? nullptr : region_->allocate(bytes);
    // What the machine cannot hold is refused there, with torch's message.
    if (data == nullptr) data = c10::alloc_cpu(bytes);
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  static std::int64_t resident_bytes() {
    return region_ == nullptr ? 0 : static_cast<std::int64_t>(region_->use().resident_bytes);
  }

 private:
  static void give_back(void* data) {
    if (data != nullptr && !region_->free(data)) c10::free_cpu(data);
  }
  // A deleter has nothing but the address; written once, before the first tensor.
  static inline PageRegion* region_ = nullptr;
};

}  // namespace

void set_num_threads(int num_threads) {
  kernels::compute_pool().set_num_threads(num_threads);
  at::set_num_threads(1);
  flush_denormals();
}

int num_threads() { return kernels::compute_pool().num_threads(); }

void flush_denormals() { at::globalContext().setFlushDenormal(true); }

void use_one_library_thread() {
  if (at::get_num_threads() != 1) at::set_num_threads(1);
}

LibraryThreads::LibraryThreads() { at::set_num_threads(num_threads()); }
LibraryThreads::~LibraryThreads() { at::set_num_threads(1); }

void reuse_pages() {
  static PageAllocator* allocator = [] {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const std::size_t physical = pages > 0
                                     ? static_cast<std::size_t>(pages) * PageRegion::page_bytes()
                                     : std::size_t{1} << 30;
    // Lives as long as the process: tensors of other threads may outlive what is static.
    auto* made = new PageAllocator(physical);
    c10::SetCPUAllocator(made, kPriority);
    return made;
  }();
  (void)allocator;
}

std::int64_t reused_bytes() { return PageAllocator::resident_bytes(); }

void return_free_heap() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void seed_everything(std::uint64_t seed) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

at::Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(const at::Tensor& state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

}  // namespace panal::tensor
