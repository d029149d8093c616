// Process-wide settings of the tensor library: threads, random numbers, and denormals flushed in
// every compute thread, because a product over denormal floats runs up to a hundred times slower.
#pragma once

#include <cstdint>

namespace at {
class Tensor;
}

namespace panal::tensor {

/// Sets the number of compute threads (1 to 1024) and flushes denormals in each of them and in the
/// calling thread. Call once per process before the first tensor operation; call flush_denormals()
/// in threads made later.
void set_num_threads(int num_threads);
int num_threads();

/// Flushes denormals to zero in the calling thread and in every thread of the compute pool.
void flush_denormals();

/// Puts a PageRegion behind the tensors of the host's memory: buffers of 64 KiB and more reuse the
/// pages of freed ones, and the process holds what its tensors held at their most, and one part in
/// 512. Call once per process before the first tensor operation. Smaller buffers, and all
/// where the kernel refuses the addresses, stay with the C library.
void reuse_pages();
/// What tensors and the pages kept for the next ones hold of that region now; 0 without one.
std::int64_t reused_bytes();
/// Gives back what the C library's heap has free, which other parts of the program left there.
/// Costs some milliseconds. No effect without glibc.
void return_free_heap();

/// Seeds the default CPU generator: equal seeds give equal tensors on one machine with equal
/// threads.
void seed_everything(std::uint64_t seed);

/// Where the default CPU generator stands: uint8 [bytes], of a length that depends on the library.
at::Tensor random_state();
/// The generator goes on from there. Throws Error (torch's) when it is no state.
void set_random_state(const at::Tensor& state);

}  // namespace panal::tensor
