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

/// Lets the allocator keep freed memory instead of handing it back to the kernel, so that the large
/// buffers of a training step are not paged in anew each time. For programs that train; call once,
/// early. No effect without glibc.
void keep_freed_memory();
enum class Returned { kLarge, kNearlyAll };
/// The opposite, for where memory is short: what is freed goes back to the kernel, so that the
/// process is as large as its tensors. Costs a page fault per 4 KiB of each new buffer. May be
/// called later. No effect without glibc.
///
/// kLarge       Buffers of 4 MiB and more; the heap keeps what it holds.
/// kNearlyAll   Buffers of 1 MiB and more, what the heap has free now, and its end. Matrices of a
///              width of 1,024 are under 4 MiB: in the heap, what is freed between them stays.
void return_freed_memory(Returned returned);

/// Seeds the default CPU generator: equal seeds give equal tensors on one machine with equal
/// threads.
void seed_everything(std::uint64_t seed);

/// Where the default CPU generator stands: uint8 [bytes], of a length that depends on the library.
at::Tensor random_state();
/// The generator goes on from there. Throws Error (torch's) when it is no state.
void set_random_state(const at::Tensor& state);

}  // namespace panal::tensor
