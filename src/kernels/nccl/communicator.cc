// NCCL behind kernels/cuda/communicator.h. The communicator is one that does not block: each call
// returns ncclInProgress while a thread of the library does the rest, so a host that waits can look
// after the other ranks and abort, also while ranks connect.
//
// Sums are ncclReduce's, for which NCCL knows one algorithm alone, the ring: tree, PAT and NVLink
// SHARP, which may add up in another order from call to call, are for other collectives
// (src/graph/tuning.cc of NCCL 2.29).
#include "kernels/cuda/communicator.h"

#include <nccl.h>

#include <cstring>
#include <utility>

#include "base/error.h"

namespace panal::kernels::cuda {
namespace {

static_assert(sizeof(ncclUniqueId) == sizeof(CommunicatorId), "an id is handed on as its bytes");

void require_success(ncclResult_t result, const char* doing) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  std::string message = std::string("NCCL failed while ") + doing + ": ";
  message += ncclGetErrorString(result);
  const char* const detail = ncclGetLastError(nullptr);
  if (detail != nullptr && *detail != '\0') message += std::string("; its last words: ") + detail;
  const bool may_be_another = result == ncclRemoteError || result == ncclSystemError;
  throw Error(may_be_another ? Code::kUnavailable : Code::kInternal, message);
}

// All buffers as one launch.
template <typename Call>
void grouped(std::span<const Buffer> buffers, const char* doing, const Call& call) {
  require_success(ncclGroupStart(), doing);
  ncclResult_t failure = ncclSuccess;
  for (const Buffer& buffer : buffers) {
    if (buffer.count == 0) continue;
    const ncclResult_t result = call(buffer);
    if (result != ncclSuccess && result != ncclInProgress && failure == ncclSuccess) {
      failure = result;
    }
  }
  // A group is ended whatever happened in it.
  const ncclResult_t end = ncclGroupEnd();
  require_success(failure, doing);
  require_success(end, doing);
}

}  // namespace

struct Communicator::State {
  ncclComm_t communicator = nullptr;  // Null after abort().
  const char* doing = "joining the ranks' devices";

  ncclComm_t get() const {
    if (communicator != nullptr) return communicator;
    throw Error(Code::kUnavailable, std::string("NCCL was aborted while ") + doing);
  }
};

std::string why_no_communicator() { return ""; }

CommunicatorId make_communicator_id() {
  ncclUniqueId unique;
  require_success(ncclGetUniqueId(&unique), "making an id");
  CommunicatorId id;
  std::memcpy(id.data(), &unique, sizeof unique);
  return id;
}

Communicator::Communicator(const CommunicatorId& id, int rank, int size)
    : state_(std::make_unique<State>()) {
  ncclUniqueId unique;
  std::memcpy(&unique, id.data(), sizeof unique);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  require_success(ncclCommInitRankConfig(&state_->communicator, size, unique, rank, &config),
                  state_->doing);
}

Communicator::~Communicator() { abort(); }

void Communicator::reduce(std::span<const Buffer> buffers, void* stream) {
  state_->doing = "adding up the ranks' values";
  grouped(buffers, state_->doing, [&](const Buffer& buffer) {
    return ncclReduce(buffer.elements, buffer.elements, buffer.count, ncclFloat32, ncclSum,
                      buffer.root, state_->get(), static_cast<cudaStream_t>(stream));
  });
}

void Communicator::broadcast(std::span<const Buffer> buffers, void* stream) {
  state_->doing = "handing round the ranks' values";
  grouped(buffers, state_->doing, [&](const Buffer& buffer) {
    return ncclBroadcast(buffer.elements, buffer.elements, buffer.count, ncclUint8, buffer.root,
                         state_->get(), static_cast<cudaStream_t>(stream));
  });
}

bool Communicator::is_issued() {
  ncclResult_t result = ncclSuccess;
  require_success(ncclCommGetAsyncError(state_->get(), &result), state_->doing);
  require_success(result, state_->doing);
  return result == ncclSuccess;
}

void Communicator::abort() {
  if (state_->communicator != nullptr) {
    ncclCommAbort(std::exchange(state_->communicator, nullptr));
  }
}

}  // namespace panal::kernels::cuda
