// Sums and copies between the CUDA devices of several ranks, from device to device, by NCCL
// (kernels/nccl). In a build without it the folder no_nccl stands in: nothing can join, and
// why_no_communicator() says why.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace panal::kernels::cuda {

/// Why devices cannot exchange by themselves in this build, as a sentence; empty when they can.
std::string why_no_communicator();

/// By what the ranks of one communicator find each other: one of them makes it and tells the rest.
using CommunicatorId = std::array<std::byte, 128>;
/// Throws Error(kUnavailable) when no network interface can be used: ranks meet through one.
CommunicatorId make_communicator_id();

/// Contiguous elements in the memory of the device.
struct Buffer {
  void* elements = nullptr;
  std::size_t count = 0;
  int root = 0;  // The rank that gets their sum, or whose they are.
};

/// One rank's place among devices, a device each. All ranks make the same calls with the same
/// counts and roots in the same order. One thread at a time.
///
/// No call waits: neither for the device, nor for other ranks, which may be lost. After each one,
/// is_issued() must have become true before the next one and before anything is put into the
/// stream. What runs on the device waits there for the other ranks, for ever if one is lost:
/// abort() ends it.
///
/// Errors of all calls: Error in the library's words, kUnavailable where another rank or the way to
/// it may be gone, kInternal for what failed here.
class Communicator {
 public:
  /// Joins with the calling thread's current device.
  Communicator(const CommunicatorId& id, int rank, int size);
  /// Aborts: nothing of use may be under way on any rank.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// Puts into `stream` (a cudaStream_t): the float32 elements of each buffer are replaced by
  /// their sums over all ranks at its root, and stay as they are at the others. The order of
  /// summing depends on the machine, the number of ranks and the buffers alone.
  void reduce(std::span<const Buffer> buffers, void* stream);
  /// Puts into `stream`: every rank gets the bytes of each buffer that its root has.
  void broadcast(std::span<const Buffer> buffers, void* stream);

  /// Whether the last call is done on the host's side: ranks have found each other, or the stream
  /// has all of it. Throws also what failed on the device, or at another rank, since.
  bool is_issued();
  /// Ends what runs on the device, with nothing of use in its memory. Every other call throws from
  /// then on.
  void abort();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace panal::kernels::cuda
