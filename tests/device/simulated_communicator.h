// NCCL among ranks that are threads of this process, each with a simulated device: its functions
// (kernels/cuda/communicator.h) stand here in the place of the real ones. As there, a call
// begins something that is done when all ranks have made it, and nothing ever ends for who waits
// for a rank that does not come.
#pragma once

#include <cstdint>

namespace panal::kernels::cuda {

/// Takes it away for as long as it exists: devices cannot exchange by themselves.
class WithoutCommunicator {
 public:
  WithoutCommunicator();
  ~WithoutCommunicator();
  WithoutCommunicator(const WithoutCommunicator&) = delete;
  WithoutCommunicator& operator=(const WithoutCommunicator&) = delete;
};

/// What goes wrong for as long as this exists.
class CommunicatorFault {
 public:
  enum class Kind {
    kFails,         // The call throws on that rank, and is never made.
    kFailsNoticed,  // And the others' calls throw too, once that rank is gone.
    kHangs,         // The call is never done: as if the rank's device hung.
  };
  /// In call `call` of rank `rank`; joining is call 0.
  CommunicatorFault(Kind kind, int rank, std::uint64_t call);
  ~CommunicatorFault();
  CommunicatorFault(const CommunicatorFault&) = delete;
  CommunicatorFault& operator=(const CommunicatorFault&) = delete;
};

/// Calls that were done by all ranks so far, without joining.
std::int64_t num_exchanges();

}  // namespace panal::kernels::cuda
