// Process-wide settings of the tensor library: threads, random numbers, and denormals flushed in
// every compute thread, because a product over denormal floats runs up to a hundred times slower.
#pragma once

#include <cstdint>

namespace at {
class Tensor;
}

namespace panal::tensor {

/// Sets the number of compute threads (1 to 1024): those of kernels/compute_pool.h, which all of
/// panal's passes over tensors use. What torch itself is asked for runs on the thread that asks, so
/// that no two pools want the same cores. Flushes denormals in all of them and in the calling
/// thread. Call once per process before the first tensor operation.
void set_num_threads(int num_threads);
int num_threads();

/// Flushes denormals to zero in the calling thread. The compute threads do it by themselves.
void flush_denormals();

/// From here on torch and the libraries inside it compute on the calling thread alone. The chunks
/// of a pass begin with it: their threads never asked torch for anything before.
void use_one_library_thread();

/// While it lives, torch divides what the calling thread asks for among threads of its own: to
/// measure them. One at a time.
class LibraryThreads {
 public:
  LibraryThreads();
  ~LibraryThreads();
  LibraryThreads(const LibraryThreads&) = delete;
  LibraryThreads& operator=(const LibraryThreads&) = delete;
};

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
